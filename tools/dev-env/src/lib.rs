//! The development environment: PostgreSQL and RabbitMQ on this machine, and the programs of this workspace as child
//! processes. Only development programs depend on this crate.

pub mod audit;
pub mod children;
pub mod connection;
pub mod endpoints;
pub mod fresh_servers;
pub mod programs;
pub mod services;
pub mod stop_signals;
