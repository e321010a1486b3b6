//! The set of configured vendors: its members, and the digest that identifies it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::identifiers::VendorId;
use crate::stock::{ProductStock, StockChange};
use crate::timestamp::Timestamp;

/// The scheme of the URL of a vendor that pushes its reports, with its colon.
pub const PUSH_SCHEME: &str = "push:";

fn sha256_hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// The source of a vendor's reports, without secrets: two feeds with the same source read the same stock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VendorSource(String);

/// The text is not the source of a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must not be empty, and must not contain control characters")]
pub struct InvalidSource;

impl VendorSource {
    /// The source of a feed: the normalised URL without its query, the query, and the pointer to the items. The query may
    /// contain a secret, so the source contains only its hash.
    ///
    /// # Errors
    /// [`InvalidSource`].
    pub fn new(url: &str, query: Option<&str>, items: &str) -> Result<Self, InvalidSource> {
        let query = query.map_or_else(String::new, |query| {
            format!("?sha256={}", sha256_hex(query.as_bytes()))
        });
        let items = if items.is_empty() {
            String::new()
        } else {
            format!("#{items}")
        };
        Self::parse(format!("{url}{query}{items}"))
    }

    /// Parses a stored source.
    ///
    /// # Errors
    /// [`InvalidSource`].
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidSource> {
        let text = text.into();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(InvalidSource);
        }
        Ok(Self(text))
    }

    /// The URL without its query.
    #[must_use]
    pub fn url(&self) -> &str {
        let end = self.0.find(['?', '#']).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// Whether the vendor pushes its reports.
    #[must_use]
    pub fn is_pushed(&self) -> bool {
        self.0.starts_with(PUSH_SCHEME)
    }

    /// The source as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VendorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 digest of a set's content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VendorSetDigest(String);

impl VendorSetDigest {
    /// The digest as hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VendorSetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A vendor of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredVendor {
    /// The vendor.
    pub vendor_id: VendorId,
    /// The source of its reports; `None` for a vendor whose stock is entered by hand.
    pub source: Option<VendorSource>,
}

/// A configured vendor, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMember {
    /// The vendor.
    pub vendor: ConfiguredVendor,
    /// When the vendor was last switched on, by the store's clock; `None` if the store does not know.
    pub configured_at: Option<Timestamp>,
}

/// The vendors that are configured together, by id, each at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VendorSet {
    vendors: BTreeMap<VendorId, Option<VendorSource>>,
}

impl VendorSet {
    /// Identifies the set by its content: the ids and sources of its vendors. Intervals and limits are not part of it.
    #[must_use]
    pub fn digest(&self) -> VendorSetDigest {
        let mut content = String::new();
        for (vendor_id, source) in &self.vendors {
            // Neither ids nor sources contain control characters, so that no two sets have the same content.
            let source = source.as_ref().map_or("", VendorSource::as_str);
            // Writing to a String cannot fail.
            let _ = writeln!(content, "{vendor_id}\t{source}");
        }
        VendorSetDigest(sha256_hex(content.as_bytes()))
    }

    /// The vendors, by id.
    #[must_use]
    pub fn vendors(&self) -> Vec<ConfiguredVendor> {
        let vendors = self.vendors.iter();
        vendors
            .map(|(vendor_id, source)| ConfiguredVendor {
                vendor_id: vendor_id.clone(),
                source: source.clone(),
            })
            .collect()
    }

    /// The vendors without a feed, by id.
    #[must_use]
    pub fn manual_vendors(&self) -> Vec<VendorId> {
        let vendors = self.vendors.iter();
        vendors
            .filter(|(_, source)| source.is_none())
            .map(|(vendor_id, _)| vendor_id.clone())
            .collect()
    }

    /// The source of a vendor in this set; `None` if the vendor is not a member or has no feed.
    #[must_use]
    pub fn source_of(&self, vendor_id: &VendorId) -> Option<&VendorSource> {
        self.vendors.get(vendor_id)?.as_ref()
    }

    /// Finds a vendor of the set that is new to its source, and the other vendor that has this source in the store. A vendor
    /// that this set moves to another source does not count.
    #[must_use]
    pub fn find_taken_source(&self, known: &[ConfiguredVendor]) -> Option<(VendorId, VendorId)> {
        self.vendors.iter().find_map(|(vendor_id, source)| {
            let source = source.as_ref()?;
            let same = |it: &&ConfiguredVendor| it.source.as_ref() == Some(source);
            let is_own = known
                .iter()
                .filter(same)
                .any(|it| it.vendor_id == *vendor_id);
            if is_own {
                return None;
            }
            let owner = known.iter().filter(same).find(|it| {
                let moves_to = self.source_of(&it.vendor_id);
                moves_to.is_none_or(|other| other == source)
            })?;
            Some((vendor_id.clone(), owner.vendor_id.clone()))
        })
    }

    /// Whether every vendor of the set is configured with the same source.
    #[must_use]
    pub fn is_part_of(&self, configured: &[SetMember]) -> bool {
        let is_configured =
            |own: &ConfiguredVendor| configured.iter().any(|member| member.vendor == *own);
        self.vendors().iter().all(is_configured)
    }
}

impl FromIterator<ConfiguredVendor> for VendorSet {
    fn from_iter<I: IntoIterator<Item = ConfiguredVendor>>(vendors: I) -> Self {
        let vendors = vendors.into_iter();
        Self {
            vendors: vendors.map(|it| (it.vendor_id, it.source)).collect(),
        }
    }
}

/// Recomputes the quantity of a product after vendors were switched on or off. The numbers of a vendor that was switched on
/// are outdated: `reported` is set to 0 until a report is applied. Its units in flight stay.
#[must_use]
pub fn recount(mut product: ProductStock, switched_on: &[VendorId]) -> StockChange {
    let mut cleared = Vec::new();
    for vendor in &mut product.vendors {
        if vendor.reported > 0 && switched_on.contains(&vendor.vendor_id) {
            vendor.reported = 0;
            cleared.push(vendor.clone());
        }
    }
    StockChange {
        quantity: product.quantity(),
        product_id: product.product_id,
        vendors: cleared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifiers::ProductId;
    use crate::stock::VendorStock;

    fn vendor(id: &str, source: Option<&str>) -> ConfiguredVendor {
        ConfiguredVendor {
            vendor_id: VendorId::parse(id).unwrap(),
            source: source.map(|url| VendorSource::new(url, None, "").unwrap()),
        }
    }

    fn digest(vendors: &[ConfiguredVendor]) -> VendorSetDigest {
        vendors.iter().cloned().collect::<VendorSet>().digest()
    }

    #[test]
    fn sets_with_the_same_vendors_have_the_same_digest_in_any_order() {
        let (v, w) = (vendor("v", Some("http://v/")), vendor("w", None));
        let both = digest(&[v.clone(), w.clone()]);
        assert_eq!(both.as_str().len(), 64);
        assert_eq!(digest(&[w.clone(), v.clone()]), both);
        for other in [
            vec![],
            vec![v.clone()],
            vec![w.clone()],
            vec![vendor("v", Some("http://other/")), w.clone()],
            vec![vendor("v", None), w],
            vec![v, vendor("x", None)],
        ] {
            assert_ne!(digest(&other), both, "{other:?}");
        }
    }

    #[test]
    fn a_source_contains_the_url_and_the_items_and_only_a_hash_of_the_query() {
        let source = |query, items| VendorSource::new("http://v/stock", query, items).unwrap();
        assert_eq!(source(None, "").as_str(), "http://v/stock");
        assert_eq!(source(None, "/a").as_str(), "http://v/stock#/a");
        assert_eq!(source(Some("q"), "/a").url(), "http://v/stock");
        let with_key = source(Some("key=secret"), "");
        assert!(!with_key.as_str().contains("secret"), "{with_key}");
        assert_ne!(with_key, source(Some("key=other"), ""));
        assert_eq!(VendorSource::parse(""), Err(InvalidSource));
        assert_eq!(VendorSource::parse("a\nb"), Err(InvalidSource));
    }

    #[test]
    fn the_reported_quantity_of_a_vendor_that_is_switched_on_is_cleared() {
        let vendor_stock = |id: &str, reported, in_flight| VendorStock {
            vendor_id: VendorId::parse(id).unwrap(),
            reported,
            in_flight,
            as_of: Timestamp::from_micros(7),
            configured: true,
            is_expired: false,
        };
        let product = ProductStock {
            product_id: ProductId::parse("p").unwrap(),
            vendors: vec![vendor_stock("v", 50, 3), vendor_stock("w", 4, 1)],
        };
        let change = recount(product.clone(), &[VendorId::parse("v").unwrap()]);
        assert_eq!(change.quantity, 3);
        assert_eq!(change.vendors, [vendor_stock("v", 0, 3)]);
        let unchanged = recount(product, &[]);
        assert_eq!((unchanged.quantity, unchanged.vendors.len()), (50, 0));
    }

    #[test]
    fn a_source_of_another_vendor_is_found() {
        let (old, new) = (
            vendor("old", Some("http://v/")),
            vendor("new", Some("http://v/")),
        );
        let found = |set: &[&ConfiguredVendor], known: &[&ConfiguredVendor]| {
            let set: VendorSet = set.iter().copied().cloned().collect();
            let known: Vec<_> = known.iter().copied().cloned().collect();
            let found = set.find_taken_source(&known);
            found.map(|(vendor_id, owner)| (vendor_id.to_string(), owner.to_string()))
        };
        let taken = Some(("new".to_owned(), "old".to_owned()));
        assert_eq!(found(&[&new], &[&old]), taken);
        assert_eq!(found(&[&new, &old], &[&old]), taken);
        // Without a feed, the other vendor keeps its stock.
        assert_eq!(found(&[&new, &vendor("old", None)], &[&old]), taken);
        assert_eq!(found(&[&new], &[]), None);
        assert_eq!(found(&[&new], &[&new]), None);
        assert_eq!(found(&[&new], &[&new, &old]), None);
        let elsewhere = vendor("old", Some("http://w/"));
        assert_eq!(found(&[&new, &elsewhere], &[&old]), None);
        assert_eq!(found(&[&new], &[&elsewhere]), None);
        let (by_hand, other) = (vendor("new", None), vendor("old", None));
        assert_eq!(found(&[&by_hand], &[&other]), None);
    }

    #[test]
    fn a_set_is_part_of_the_configured_vendors_only_with_equal_sources() {
        let set: VendorSet = [vendor("v", Some("http://v/"))].into_iter().collect();
        let member = |id, source| SetMember {
            vendor: vendor(id, source),
            configured_at: None,
        };
        let seed = member("seed", None);
        assert!(set.is_part_of(&[seed.clone(), member("v", Some("http://v/"))]));
        assert!(!set.is_part_of(&[seed.clone(), member("v", Some("http://w/"))]));
        assert!(!set.is_part_of(&[seed]));
        assert!(VendorSet::default().is_part_of(&[]));
    }
}
