//! The permissions of API keys.

use domain::identifiers::VendorId;
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// The name of the role of a vendor in the settings. It is bound to one vendor, so it is a [`Grant`] and not a [`Role`].
pub const VENDOR_ROLE: &str = "vendor";

/// A role of clients of the service. Its text is its name in the settings.
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

/// The permissions of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Those of these roles.
    Roles(Vec<Role>),
    /// To push the reports of this vendor, and nothing else: the role `vendor`.
    Vendor(VendorId),
}

impl Grant {
    /// Whether both have the same permissions. The order of roles does not matter.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Roles(own), Self::Roles(others)) => {
                own.iter().all(|role| others.contains(role))
                    && others.iter().all(|role| own.contains(role))
            }
            (own, other) => own == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_equal_if_they_permit_the_same() {
        let vendor = |id| Grant::Vendor(VendorId::parse(id).unwrap());
        let roles = |roles: &[Role]| Grant::Roles(roles.to_vec());
        let both = roles(&[Role::Customer, Role::Operator]);
        assert!(both.equals(&roles(&[Role::Operator, Role::Customer, Role::Operator])));
        assert!(vendor("a").equals(&vendor("a")));
        for other in [roles(&[Role::Customer]), roles(&[]), vendor("a")] {
            assert!(!both.equals(&other) && !other.equals(&both), "{other:?}");
        }
        assert!(!vendor("a").equals(&vendor("b")));
    }
}
