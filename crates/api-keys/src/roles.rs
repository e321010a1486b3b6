//! The roles of API keys.

use std::fmt;

/// The permissions of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Places orders, and reads orders and stock.
    Customer,
    /// Has the permissions of [`Role::Customer`], and also changes orders, syncs vendors and reads metrics.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Operator];

    /// The name of the role in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
        }
    }

    /// Returns the role with this name.
    #[must_use]
    pub fn from_word(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether this role has the permissions of `other`.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == Self::Operator || other == Self::Customer
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
