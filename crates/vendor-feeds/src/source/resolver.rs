//! Resolves the names of hosts for HTTP clients, which connects to the returned addresses only.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::AddressRules;

/// Resolves names to addresses that may be connected to.
pub(crate) struct GuardedResolver(pub(crate) Arc<AddressRules>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = rules.resolve(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
