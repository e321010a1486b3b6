//! The list of the storage contracts.

/// Runs every storage contract, one test each. `$setup` names a function without arguments that returns a future of a
/// [`StorageUnderTest`](crate::StorageUnderTest) with an empty store, and of a guard that is dropped after the store. The
/// invoking crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! storage_contracts {
    ($setup:path) => {
        $crate::contract_tests! { $setup, storage,
            abandoning {
                a_dropped_unit_of_work_is_rolled_back,
                writes_are_visible_only_after_the_commit,
                dropped_units_of_work_release_connections_and_locks,
                dropped_waiters_for_an_order_release_everything,
                dropped_waiters_for_stock_release_everything,
                begin_waits_for_a_bounded_time,
            }
            accepting {
                accepted_orders_are_pending_with_rising_ids_and_outbox_entries,
                ids_keys_and_quantities_are_read_back_unchanged,
                a_key_used_twice_in_a_call_creates_one_order,
                a_later_use_of_a_key_returns_the_current_order,
                a_known_key_used_twice_in_a_call_returns_its_order_twice,
                keys_are_scoped_to_their_callers,
                concurrent_uses_of_a_key_create_one_order,
                batches_that_share_keys_do_not_deadlock,
                a_key_of_a_rolled_back_acceptance_can_be_used_again,
                a_batch_key_matches_only_an_equal_batch,
                batch_keys_and_order_keys_do_not_match_each_other,
                different_batches_with_one_key_in_a_call_are_refused,
            }
            auditing {
                audit_of_a_sound_store_finds_nothing,
                audit_finds_a_wrong_quantity,
                audit_finds_units_in_flight_without_an_order,
                audit_finds_an_order_with_too_few_allocations,
                audit_finds_a_cancellation_that_keeps_its_stock,
                audit_finds_a_delivery_without_a_shipment,
                audit_finds_a_confirmed_order_with_every_part_shipped,
                audit_finds_an_allocation_without_its_order,
                audit_finds_an_allocation_without_its_vendor_stock,
                audit_finds_a_shipment_that_is_included_too_early,
                audit_finds_a_shipment_in_the_future,
                audit_finds_a_stuck_order,
                audit_finds_a_sequence_behind_its_numbers,
                audit_names_at_most_a_thousand_rows_per_rule,
                audit_does_not_wait_for_locks,
            }
            changes {
                accepting_writes_one_change_log_entry,
                a_settlement_writes_one_entry_of_its_orders_and_sold_products,
                a_status_change_writes_one_entry,
                a_report_writes_one_entry_of_its_products,
                a_large_transaction_writes_several_entries,
                a_rolled_back_unit_of_work_writes_no_entry,
                entries_are_read_in_pages,
                a_transaction_that_commits_late_is_not_skipped,
                concurrent_transactions_write_one_entry_each,
                old_entries_are_pruned_and_their_offsets_are_gone,
                an_unknown_offset_is_gone,
            }
            files {
                a_file_is_finished_after_its_report_was_applied,
                a_file_that_cannot_be_finished_is_noted,
                a_file_that_was_seen_and_not_read_proves_no_more_later,
            }
            first_syncs {
                nothing_is_rejected_before_every_vendor_was_tried,
                rejection_waits_at_most_first_sync_grace,
                one_report_rejects_no_order_of_an_untried_vendor,
                a_first_report_that_is_visible_is_visible_with_its_products,
            }
            held_rows {
                try_lock_pending_leaves_out_locked_orders,
                try_lock_stock_names_held_products,
                try_lock_batch_locks_orders_and_their_stock,
                lock_waits_are_limited,
                a_locked_product_delays_only_its_own_orders,
                a_locked_order_delays_no_other_order,
                a_product_that_stays_locked_does_not_delay_later_batches,
                settlement_waits_for_a_short_lock,
                a_report_waits_a_bounded_time_for_a_locked_product,
                an_empty_report_with_a_locked_product_stays_confirmed,
                a_report_does_not_wait_for_a_locked_shipment,
                postponed_orders_are_claimed_after_their_delay,
            }
            dead_letters {
                an_order_has_one_dead_letter_with_the_last_reason,
                only_pending_orders_have_dead_letters,
                a_settled_order_has_no_dead_letter,
                replayed_orders_are_in_the_outbox_once,
                a_replay_restarts_the_wait_of_the_sweeper,
                a_discarded_dead_letter_leaves_its_order,
            }
            guarding {
                a_report_that_takes_too_much_away_is_held,
                a_held_report_is_released_by_one_that_agrees,
                a_held_report_is_accepted_by_another_process,
                an_accepted_report_is_applied_like_any_other,
                an_interrupted_acceptance_of_a_held_report_is_repeated,
                the_guard_is_decided_again_when_the_stock_has_changed,
                the_shares_of_a_delta_are_of_all_stock,
                a_held_delta_survives_other_deltas,
                an_outdated_held_delta_can_be_accepted,
                a_held_report_whose_process_ended_leaves_nothing_behind,
                concurrent_held_reports_leave_one_complete_report,
                an_interrupted_confirmed_report_is_completed,
                min_rows_holds_a_first_report,
                a_renamed_vendor_keeps_its_held_report,
            }
            held_reports {
                an_accepted_report_is_not_held_again,
                lines_that_a_held_report_loses_are_stated,
                the_run_of_a_decision_shows_the_held_report,
                an_acceptance_and_a_discard_do_not_both_succeed,
            }
            large_reports {
                each_chunk_of_a_report_leaves_the_balances_right,
                an_interrupted_report_is_completed_by_the_next_one,
                a_report_older_than_an_interrupted_one_is_stale,
                an_interrupted_delta_leaves_older_reports_stale,
                an_interrupted_acceptance_is_repeated,
                a_sync_ends_when_a_newer_report_was_begun,
                removing_a_vendor_ends_its_sync,
                a_report_is_compared_again_after_another_was_applied,
                a_newer_sync_notices_a_chunk_of_an_older_one,
            }
            not_modified {
                an_unchanged_report_changes_nothing,
                a_condition_is_sent_only_after_a_complete_report,
                a_confirmed_report_is_read_again,
                a_held_shipment_is_included_by_the_next_sync,
                a_statement_about_an_earlier_state_changes_nothing,
                concurrent_statements_that_nothing_changed_are_both_recorded,
            }
            not_ready {
                a_report_that_is_not_ready_changes_nothing,
                a_report_that_is_not_ready_is_no_first_sync,
                rejection_does_not_wait_for_a_report_that_is_never_ready,
            }
            operator_pauses {
                an_operator_pause_is_stored_until_it_is_ended,
                an_operator_pause_is_a_part_of_the_vendor,
                an_operator_pause_delays_only_scheduled_syncs,
                a_vendor_that_pushes_its_reports_is_not_paused,
                an_unreadable_source_prevents_no_pause_of_another_vendor,
            }
            order_lists {
                orders_are_listed_newest_first_in_pages,
                later_orders_do_not_shift_pages,
                orders_are_filtered_by_status_and_product,
                orders_are_found_by_their_ids,
            }
            order_locks {
                lock_pending_returns_pending_orders_by_id,
                lock_pending_waits_for_the_holder_and_sees_its_commit,
                lock_order_waits_for_the_holder_and_sees_its_commit,
                an_unknown_order_is_not_found,
                concurrent_settlements_settle_each_order_once,
                save_settled_refuses_an_order_that_is_not_pending,
            }
            order_states {
                an_order_keeps_its_allocations_until_delivery,
                rejected_orders_keep_their_reasons,
                cancelling_removes_allocations,
                save_state_refuses_an_unknown_order,
            }
            quarantined_lines {
                quarantined_lines_are_listed_by_report,
                unused_lines_are_removed_in_parts,
                quarantined_lines_are_rolled_back_with_their_unit_of_work,
                the_sums_are_those_of_all_stock_rows,
                a_held_report_of_a_removed_vendor_is_not_applied,
            }
            outbox {
                claims_return_the_oldest_entries_first_and_once,
                orders_of_one_call_share_an_entry,
                the_trace_of_an_order_is_claimed_with_it,
                a_rolled_back_claim_has_no_effect,
                relaxed_units_of_work_are_committed_or_rolled_back,
                entries_are_released_and_removed,
                claims_expire,
                a_claim_that_lasts_too_long_is_ignored,
                concurrent_claimants_never_share,
                a_claim_does_not_wait_for_another,
                the_lag_is_the_age_of_the_oldest_entry,
                the_outbox_is_counted_up_to_a_bound,
            }
            pushes {
                a_pushed_report_brings_no_sold_stock_back,
                the_time_of_a_push_includes_no_shipment,
                pushed_reports_are_ordered_by_their_arrival,
                a_repeated_push_confirms_no_report_in_quarantine,
            }
            refusing {
                a_unit_of_work_with_a_failed_call_cannot_be_committed,
                a_refused_call_is_not_retryable,
                a_refused_call_does_not_affect_others,
            }
            reports {
                a_report_affects_products_with_another_quantity,
                new_products_are_created_with_nothing_to_sell,
                two_reports_can_create_the_same_product,
                a_report_affects_shipments_that_it_is_the_first_to_include,
                mark_included_counts_each_shipped_unit_once,
                a_delta_line_older_than_the_stored_row_is_left_out,
                reported_stock_is_listed_in_byte_order_in_pages,
            }
            runs {
                a_run_is_stored_with_all_its_details,
                runs_are_listed_newest_first_in_pages,
                a_run_is_rolled_back_with_its_unit_of_work,
                products_are_counted_by_the_change_of_their_quantity,
                a_run_shows_the_size_and_the_evidence_of_its_report,
                failed_syncs_and_quarantine_decisions_are_runs,
                old_runs_of_each_vendor_are_pruned,
                a_renamed_vendor_keeps_its_runs,
                a_vendor_that_is_switched_on_again_keeps_its_runs,
                an_unreadable_run_is_left_out,
            }
            selling {
                an_order_is_placed_once_for_a_key,
                a_batch_is_placed_once_for_a_key,
                one_of_several_different_batches_with_one_key_is_placed,
                a_batch_is_settled_oldest_first,
                an_order_is_settled_once,
                concurrent_settlements_never_oversell,
                cancelling_returns_stock_once,
                concurrent_cancellations_return_stock_once,
                an_order_cancelled_during_settlement_holds_no_stock,
                concurrent_use_cases_leave_the_balances_right,
            }
            expiry {
                stock_older_than_max_age_is_not_sold,
                units_in_flight_stay_when_stock_expires,
                an_applied_report_ends_the_expiry,
                vendor_stock_is_found_by_its_expiry_mark,
                vendors_without_reports_do_not_expire,
                stock_expires_while_a_product_is_locked,
                an_interrupted_report_does_not_end_the_expiry,
                an_accepted_report_that_is_too_old_is_not_sold_from,
            }
            shipping {
                the_first_shipment_of_a_part_sets_its_time,
                a_part_stays_in_flight_until_a_report_after_its_shipment,
                a_partly_shipped_order_is_not_cancelled,
                a_part_is_shipped_by_its_supplier_only,
                units_in_flight_are_summed_with_their_ages,
            }
            signals {
                a_lease_has_one_holder,
                one_of_many_callers_acquires_the_lease,
                a_holder_that_ends_with_its_runtime_loses_its_lease,
                a_wait_without_a_notification_times_out,
                a_notification_ends_the_wait,
                a_notification_before_the_wait_is_not_lost,
                listeners_receive_only_their_topic,
                a_commit_notifies_if_the_unit_of_work_promised_it,
                notifying_does_not_wait,
            }
            stock_lists {
                stock_is_listed_in_byte_order_in_pages,
                stock_is_filtered_by_availability,
                a_product_is_found_with_its_vendors,
                products_are_found_by_their_ids,
                the_as_of_is_that_of_the_last_report_covering_the_product,
            }
            stock_rows {
                lock_stock_returns_known_products_in_byte_order,
                save_stock_writes_vendor_stock_and_quantity,
                the_largest_stock_is_stored,
                save_stock_refuses_an_unknown_product,
                updated_at_changes_with_the_quantity,
                lock_stock_waits_for_the_holder_and_sees_its_commit,
                concurrent_stock_changes_are_not_lost,
            }
            sweeping {
                overdue_orders_are_requeued,
                concurrent_sweepers_requeue_each_order_once,
                the_wait_doubles_with_each_requeue,
                old_keys_are_pruned,
            }
            syncing {
                reported_stock_can_be_sold,
                stock_is_summed_over_vendors,
                repeating_a_sync_brings_no_sold_stock_back,
                full_reports_cover_all_products_and_deltas_some,
                a_shipment_is_included_only_in_a_later_report,
                a_report_with_a_future_as_of_includes_no_shipment,
                a_report_after_one_with_a_future_as_of_is_evidence,
                a_report_without_a_time_includes_no_shipment,
                two_deltas_have_the_same_result_in_either_order,
                full_reports_and_deltas_share_one_order,
                an_empty_report_is_quarantined,
                a_stale_report_changes_nothing,
                a_sync_repairs_instants_in_the_future,
                a_failed_sync_changes_nothing,
                a_vendor_that_is_not_configured_is_not_synced,
            }
            unreadable {
                an_unreadable_outbox_entry_does_not_block_the_others,
                an_unreadable_order_leaves_the_outbox,
                an_unreadable_change_is_skipped,
                an_unreadable_order_is_left_out_of_lists,
                an_unknown_outcome_does_not_hide_the_vendor,
                an_unreadable_stock_row_does_not_block_a_report,
            }
            vendor_sets {
                a_new_set_becomes_the_current_one,
                a_superseded_set_is_applied_only_explicitly,
                applying_the_current_set_again_changes_nothing,
                adding_vendors_removes_none_and_keeps_the_set_current,
                the_current_set_is_applied_again_when_one_of_its_vendors_is_missing,
                a_vendor_that_is_switched_on_again_counts_as_untried,
                first_syncs_are_those_of_configured_vendors_with_a_source,
                concurrent_sets_leave_one_current_set_and_its_vendors,
            }
            vendors {
                configure_returns_the_products_that_change,
                stock_of_an_unconfigured_vendor_is_not_sold,
                lock_vendor_returns_the_recorded_history,
                the_sync_state_shows_whether_there_is_stock,
                the_vendor_lock_is_held_by_one_sync_at_a_time,
                record_sync_refuses_an_unknown_vendor,
                the_last_sync_of_each_vendor_is_stored,
                the_evidence_of_each_vendor_is_shown,
                all_products_that_a_vendor_ever_reported_are_counted,
                were_tried_requires_every_vendor,
                store_time_rises,
            }
            vendor_pauses {
                a_pause_is_stored_to_the_microsecond_and_replaced,
                a_pause_of_an_unknown_vendor_is_refused,
                a_cleared_pause_is_returned_once,
                a_pause_is_rolled_back_with_its_unit_of_work,
                a_vendor_that_is_switched_on_again_has_no_pause,
                a_renamed_vendor_keeps_its_pause,
                a_failed_sync_pauses_the_vendor_and_a_success_ends_it,
                a_pause_demanded_by_the_vendor_prevents_a_sync_on_demand,
                failures_of_an_unconfigured_vendor_are_not_counted,
                a_quarantine_decision_ends_no_pause,
            }
            vendor_renames {
                a_renamed_vendor_keeps_its_stock_and_units_in_flight,
                a_vendor_is_renamed_to_a_free_id_only,
                a_source_of_another_vendor_is_refused,
                a_rename_during_settlement_leaves_the_balances_right,
            }
            write_probe {
                a_write_probe_leaves_nothing_behind,
                a_write_probe_fails_while_no_unit_of_work_can_begin,
            }
        }
    };
}
