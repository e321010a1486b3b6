//! The list of the queue contracts.

/// Runs every queue contract, one test each. `$setup` names a function without arguments that returns a future of a
/// [`QueueUnderTest`](crate::QueueUnderTest) with an empty queue, and of a guard that is dropped after the queue. The
/// invoking crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! queue_contracts {
    ($setup:path) => {
        $crate::contract_tests! { $setup, queue,
            batches {
                a_batch_respects_its_limit,
                a_batch_waits_for_its_first_message_only,
                a_cancelled_call_loses_no_message,
                a_cancelled_call_keeps_no_message_from_others,
            }
            delivery {
                orders_of_a_product_arrive_in_publishing_order,
                orders_wait_for_a_consumer,
                many_orders_in_one_publish_all_arrive_once,
                publishing_an_empty_list_succeeds,
                the_trace_of_an_order_is_delivered_with_it,
                concurrent_publishers_receive_their_own_confirmations,
                concurrent_consumers_receive_each_order_once,
                the_depth_counts_messages_in_the_queue,
                pruning_dead_messages_keeps_other_messages,
                the_probe_of_a_working_queue_is_ok,
                the_probe_of_a_consumer_outlives_it,
            }
            redelivery {
                acknowledged_messages_are_not_redelivered,
                unacknowledged_messages_are_redelivered,
                messages_are_acknowledged_one_by_one,
                acknowledging_twice_is_ignored,
                a_consumer_dropped_before_its_first_call_keeps_no_message,
                receipts_of_another_consumer_are_void,
            }
        }
    };
}
