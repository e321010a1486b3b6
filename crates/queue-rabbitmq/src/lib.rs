//! queue-rabbitmq
