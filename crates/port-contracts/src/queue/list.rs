//! The list of the contracts of a queue.

/// Runs every contract of a queue, one test each. `$setup` names a function without arguments that returns a future of a
/// [`QueueUnderTest`](crate::QueueUnderTest) over an empty queue, and of a guard that is kept until the test has let go
/// of the queue. Needs `tokio` with `macros` and `rt-multi-thread` in the crate that invokes it.
#[macro_export]
macro_rules! queue_contracts {
    ($setup:path) => {
        $crate::contract_tests! { $setup, queue,
            batches {
                a_batch_keeps_to_its_limit,
                a_batch_waits_for_its_first_message_only,
                an_abandoned_wait_loses_nothing,
                an_abandoned_wait_keeps_nothing_from_others,
            }
            delivery {
                published_orders_arrive_and_keep_the_order_of_a_product,
                orders_wait_for_a_consumer,
                many_orders_in_one_publish_all_arrive_once,
                publishing_nothing_confirms_nothing,
                concurrent_publishers_do_not_mix,
                concurrent_consumers_share,
                the_depth_counts_what_waits,
                pruning_dead_messages_leaves_what_waits,
                the_probe_of_a_working_queue_is_ok,
                the_probe_of_a_consumer_outlives_it,
            }
            redelivery {
                acknowledged_messages_do_not_come_again,
                unacknowledged_messages_come_again,
                messages_are_acknowledged_one_by_one,
                acknowledging_twice_does_no_harm,
                a_consumer_that_never_asked_keeps_nothing,
                receipts_of_another_consumer_are_void,
            }
        }
    };
}
