//! Resolves the names of hosts for the HTTP client, which connects to the returned addresses only.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::source::address::AddressRules;

/// Resolves names to addresses that may be connected to.
pub(super) struct GuardedResolver(pub(super) Arc<AddressRules>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = rules.resolve(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
