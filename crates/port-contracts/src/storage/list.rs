//! The list of the contracts of a store.

/// Runs every contract of a store, one test each. `$setup` names a function without arguments that returns a future of a
/// [`StorageUnderTest`](crate::StorageUnderTest) over an empty store, and of a guard that is kept until the test has let
/// go of the store. Needs `tokio` with `macros` and `rt-multi-thread` in the crate that invokes it.
#[macro_export]
macro_rules! storage_contracts {
    ($setup:path) => {
        $crate::contract_tests! { $setup, storage,
            abandoning {
                a_dropped_unit_of_work_undoes_everything,
                writes_show_only_after_the_commit,
                abandoned_units_of_work_hold_no_connections_or_locks,
                abandoned_waiters_for_an_order_hold_nothing,
                abandoned_waiters_for_stock_hold_nothing,
                begin_waits_for_a_bounded_time,
            }
            accepting {
                accepted_orders_are_pending_with_rising_ids_and_outbox_entries,
                ids_keys_and_quantities_are_kept_to_the_letter,
                a_key_that_stands_twice_in_a_call_creates_one_order,
                a_later_use_of_a_key_sees_the_order_as_it_is,
                a_known_key_that_stands_twice_in_a_call_is_answered_twice,
                keys_belong_to_their_callers,
                concurrent_uses_of_a_key_create_one_order,
                batches_that_share_keys_do_not_block_each_other,
                a_key_of_an_undone_acceptance_is_free,
                a_key_stands_for_what_its_batch_asks_for,
                a_key_is_of_a_batch_or_of_an_order_alone,
                batches_that_share_a_key_in_one_call_are_told_apart,
            }
            auditing {
                the_audit_of_a_sound_store_is_empty,
                a_wrong_quantity_is_found,
                units_in_flight_without_an_order_are_found,
                an_order_with_too_few_allocations_is_found,
                a_cancellation_that_keeps_its_stock_is_found,
                a_delivery_that_was_never_shipped_is_found,
                a_confirmed_order_with_every_part_shipped_is_found,
                an_allocation_without_its_order_is_found,
                an_allocation_without_its_position_is_found,
                a_shipment_that_no_report_can_include_yet_is_found,
                a_shipment_in_the_future_is_found,
                a_forgotten_order_is_found,
                a_sequence_behind_its_numbers_is_found,
                an_audit_names_at_most_a_thousand_rows_of_a_rule,
                an_audit_waits_for_nobody,
            }
            changes {
                an_acceptance_leaves_one_entry,
                a_settlement_leaves_one_entry_of_its_orders_and_what_was_sold,
                a_change_of_status_leaves_one_entry,
                a_report_leaves_one_entry_of_its_products,
                what_is_too_much_for_one_entry_is_left_in_several,
                an_undone_unit_of_work_leaves_no_entry,
                entries_are_read_in_pages,
                a_transaction_that_commits_late_is_not_skipped,
                concurrent_transactions_leave_one_entry_each,
                old_entries_are_forgotten_and_their_positions_are_gone,
                a_position_that_was_never_given_is_gone,
            }
            first_syncs {
                nothing_is_rejected_before_every_vendor_was_tried,
                a_rejection_waits_no_longer_than_the_grace,
                the_first_report_does_not_stand_for_all,
                a_first_report_that_is_visible_is_visible_with_its_products,
            }
            held_rows {
                try_lock_pending_leaves_out_held_orders,
                try_lock_stock_names_held_products,
                waits_for_locks_are_limited,
                a_held_product_keeps_only_its_own_orders_waiting,
                a_held_order_keeps_no_other_waiting,
                a_product_that_stays_held_costs_no_further_batch_a_wait,
                a_product_that_is_held_for_a_moment_is_waited_for,
                a_report_waits_a_bounded_time_for_a_held_product,
                a_report_does_not_wait_for_a_held_shipment,
                postponed_orders_are_claimed_after_their_delay,
            }
            dead_letters {
                an_order_has_one_dead_letter_with_the_last_reason,
                only_pending_orders_have_dead_letters,
                a_settled_order_has_no_dead_letter,
                replayed_orders_are_in_the_outbox_once,
                the_sweeper_waits_for_a_replayed_order,
                a_discarded_dead_letter_leaves_its_order,
            }
            large_reports {
                each_chunk_of_a_report_leaves_the_balances_right,
                a_report_that_was_interrupted_is_ended_by_the_next_one,
                a_report_older_than_an_interrupted_one_is_stale,
                an_interrupted_delta_leaves_older_reports_stale,
                an_interrupted_acceptance_is_repeated,
                a_sync_ends_when_a_newer_report_was_begun,
                a_vendor_that_is_removed_during_a_sync_ends_it,
                a_report_is_compared_again_when_another_was_applied_meanwhile,
                a_chunk_of_an_older_sync_is_not_missed_by_a_newer_one,
            }
            order_lists {
                orders_are_listed_newest_first_in_pages,
                orders_that_come_later_do_not_move_pages,
                orders_are_filtered_by_status_and_product,
                orders_are_found_by_their_ids,
            }
            order_locks {
                lock_pending_returns_pending_orders_by_id,
                lock_pending_waits_for_a_holder_and_sees_what_it_committed,
                lock_order_waits_for_a_holder_and_sees_what_it_committed,
                an_unknown_order_is_not_found,
                racing_settlers_settle_each_order_once,
                save_settled_refuses_an_order_that_is_not_pending,
            }
            order_states {
                allocations_stay_with_an_order_to_its_delivery,
                reasons_stay_with_rejected_orders,
                cancelling_removes_allocations,
                save_state_refuses_an_unknown_order,
            }
            outbox {
                claims_come_oldest_first_and_once,
                orders_that_came_together_go_together,
                an_undone_claim_was_none,
                entries_are_released_and_removed,
                claims_run_out,
                a_claim_that_lasts_too_long_is_void,
                concurrent_claimants_never_share,
                a_claim_does_not_wait_for_another,
                the_lag_is_the_age_of_the_oldest_entry,
                the_outbox_is_counted_up_to_a_bound,
            }
            refusing {
                a_unit_of_work_of_which_a_call_failed_cannot_be_committed,
                what_is_refused_is_not_worth_a_retry,
                a_refusal_hurts_nobody_else,
            }
            reports {
                a_report_affects_what_it_gives_another_quantity,
                new_products_are_created_with_nothing_to_sell,
                two_reports_can_bring_the_same_new_product,
                a_report_affects_shipments_that_it_is_the_first_to_know,
                mark_known_counts_each_shipped_unit_once,
                a_delta_line_that_is_older_than_its_position_is_left_out,
                reported_stock_is_listed_in_byte_order_in_pages,
            }
            selling {
                an_order_is_placed_once_for_a_key,
                a_batch_is_placed_once_for_a_key,
                of_different_batches_with_one_key_one_is_placed,
                a_batch_is_settled_oldest_first,
                an_order_is_settled_once,
                concurrent_settlements_never_oversell,
                cancelling_gives_stock_back_once,
                concurrent_cancellations_give_stock_back_once,
                a_cancellation_that_races_with_settlement_leaves_no_stock_behind,
                everything_at_once_leaves_the_balances_right,
            }
            expiry {
                numbers_beyond_max_age_are_not_sold,
                units_in_flight_stay_when_numbers_expire,
                an_applied_report_ends_the_expiry,
                positions_are_found_by_their_mark,
                vendors_without_numbers_do_not_expire,
                numbers_expire_while_a_product_is_held,
                an_interrupted_report_does_not_end_the_expiry,
            }
            shipping {
                the_first_shipment_of_a_part_sets_its_time,
                a_part_leaves_flight_with_a_report_after_its_own_shipment,
                a_partly_shipped_order_is_not_cancelled,
                a_part_is_shipped_by_its_supplier_only,
                units_in_flight_are_summed_and_their_ages_given,
            }
            signals {
                a_lease_has_one_holder,
                of_many_one_gets_the_lease,
                a_holder_that_ends_with_its_runtime_loses_its_lease,
                a_wait_without_a_notification_times_out,
                a_notification_ends_the_wait,
                a_notification_before_the_wait_is_not_lost,
                topics_are_told_apart,
                notifying_does_not_wait,
            }
            stock_lists {
                stock_is_listed_in_byte_order_in_pages,
                stock_is_filtered_by_what_can_be_sold,
                a_product_is_found_with_its_vendors,
                products_are_found_by_their_ids,
                the_as_of_is_that_of_the_last_report_that_spoke_of_the_product,
            }
            stock_rows {
                lock_stock_returns_known_products_in_byte_order,
                save_stock_writes_positions_and_quantity,
                the_largest_stock_is_kept,
                save_stock_refuses_an_unknown_product,
                updated_at_moves_with_the_quantity,
                lock_stock_waits_for_a_holder_and_sees_what_it_committed,
                concurrent_changes_of_stock_all_count,
            }
            sweeping {
                overdue_orders_come_back_into_the_outbox,
                concurrent_sweepers_put_each_order_back_once,
                the_wait_doubles_each_time,
                old_keys_are_forgotten,
            }
            syncing {
                a_report_becomes_stock,
                two_vendors_add_up,
                syncing_again_brings_no_sold_stock_back,
                full_reports_speak_of_all_products_and_deltas_of_some,
                a_shipment_is_known_only_to_a_later_report,
                a_report_of_the_future_includes_no_shipment,
                a_report_without_a_time_includes_no_shipment,
                two_deltas_end_alike_in_either_order,
                full_reports_and_deltas_are_ordered_among_each_other,
                an_empty_report_is_quarantined,
                a_stale_report_changes_nothing,
                a_failed_sync_changes_nothing,
                a_vendor_that_is_not_configured_is_not_synced,
            }
            unreadable {
                an_unreadable_outbox_entry_does_not_stop_the_others,
                an_unreadable_order_leaves_the_outbox,
                an_unreadable_change_does_not_stop_the_log,
                an_unreadable_order_is_left_out_of_lists,
                an_unknown_outcome_does_not_hide_the_vendor,
                an_unreadable_stock_row_does_not_stop_a_report,
            }
            vendor_sets {
                a_set_that_was_never_seen_becomes_the_current_one,
                a_superseded_set_is_not_brought_back_except_on_purpose,
                the_current_set_brought_again_changes_nothing,
                adding_vendors_removes_none_and_keeps_the_set_current,
                the_current_set_is_brought_again_when_one_of_its_vendors_is_missing,
                a_vendor_that_is_switched_on_again_was_never_tried,
                first_syncs_are_those_of_configured_vendors_with_a_source,
                concurrent_sets_leave_one_current_set_and_its_vendors,
            }
            vendors {
                configure_returns_the_products_that_change,
                a_vendor_that_is_not_configured_is_not_sold,
                lock_vendor_shows_the_recorded_history,
                a_sync_reads_whether_there_is_stock,
                lock_vendor_lets_one_sync_pass_at_a_time,
                record_sync_refuses_an_unknown_vendor,
                the_last_sync_of_each_vendor_is_kept,
                the_evidence_of_each_vendor_is_shown,
                a_vendor_has_the_products_that_it_ever_reported,
                were_tried_asks_for_every_vendor,
                store_time_rises,
            }
            vendor_pauses {
                a_pause_is_kept_to_the_microsecond_and_replaced,
                a_pause_of_an_unknown_vendor_is_refused,
                a_cleared_pause_is_returned_once,
                a_pause_is_undone_with_its_unit_of_work,
                a_vendor_that_is_switched_on_again_has_no_pause,
                a_renamed_vendor_keeps_its_pause,
                a_failed_sync_pauses_the_vendor_and_a_success_ends_it,
                a_demand_of_the_vendor_prevents_a_sync_on_demand,
                a_failure_that_is_not_the_vendors_is_not_counted,
                a_decision_on_a_report_in_quarantine_ends_no_pause,
            }
            vendor_renames {
                a_renamed_vendor_keeps_its_stock_and_what_is_in_flight,
                a_vendor_is_renamed_to_a_free_id_only,
                a_source_that_another_vendor_has_is_refused,
                a_rename_that_races_with_orders_leaves_the_balances_right,
            }
            write_probe {
                a_probe_of_writes_leaves_nothing_behind,
                a_probe_of_writes_fails_while_nothing_can_begin,
            }
        }
    };
}
