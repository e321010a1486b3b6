//! port-contracts
