//! The roles of API keys.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// The permissions of a key. Its text is its name in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Places orders, and reads orders and stock.
    Customer,
    /// Has the permissions of [`Role::Customer`], and also changes orders, syncs vendors and reads metrics.
    Operator,
}

impl Role {
    /// Whether this role has the permissions of `other`.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == Self::Operator || other == Self::Customer
    }
}
