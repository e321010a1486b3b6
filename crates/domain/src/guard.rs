//! The guard of a vendor: how much one report may take away before it is held in quarantine.
//!
//! A guard bounds three numbers of a report: the share of the vendor's reported units that it takes away, the share of the
//! vendor's products that go from some units to none, and the number of its rows. All shares are of *reported* units: units
//! in flight are no part of a report. The decision is made over a whole report, before any part of it is applied.
//!
//! Units that other products gain do not offset units that are taken away, so a single wrong line with many units hides no
//! loss. A delta takes away units of the products that it names, and its shares are of all units and products of its vendor.
//! A vendor without reported units has nothing to lose: its report is held by `min_rows` only.

use std::fmt;

use thiserror::Error;

use crate::report::{Report, ReportKind};

/// The denominator of a [`Share`].
const MILLION: u32 = 1_000_000;

/// A share that is not set, for the comparison of two held reports: half of the units.
const DEFAULT_MAX_DROP: Share = Share(MILLION / 2);

/// A share that is not set, for the comparison of two held reports: a quarter of the products.
const DEFAULT_MAX_FLIPS: Share = Share(MILLION / 4);

/// A part of a whole, from 0 to 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// The number is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a number from 0 to 1")]
pub struct InvalidShare;

impl Share {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The whole.
    pub const ONE: Self = Self(MILLION);

    /// Parses a share; it is rounded to the nearest millionth.
    ///
    /// # Errors
    /// [`InvalidShare`] outside 0 to 1, and for a value that is not a number.
    pub fn parse(number: f64) -> Result<Self, InvalidShare> {
        if !(0.0..=1.0).contains(&number) {
            return Err(InvalidShare);
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is from 0 to a million"
        )]
        let millionths = (number * f64::from(MILLION)).round() as u32;
        Ok(Self(millionths))
    }

    /// Whether `part` of `whole` is more than this share. Nothing of nothing is not.
    #[must_use]
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(MILLION) > u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{}.{:06}", self.0 / MILLION, self.0 % MILLION);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// How much a report takes away from the reported units of its vendor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// Number of units before the report, over all products of the vendor.
    pub units_before: u64,
    /// Number of units that the report takes away, without those that it adds to other products.
    pub units_lost: u64,
    /// Number of products that have units before the report.
    pub products_before: u64,
    /// Number of those products that have none after it.
    pub flips: u64,
}

impl Effect {
    /// Adds a product with its reported units before and after the report.
    pub fn add(&mut self, before: u32, after: u32) {
        self.units_before += u64::from(before);
        self.units_lost += u64::from(before.saturating_sub(after));
        if before > 0 {
            self.products_before += 1;
            self.flips += u64::from(after == 0);
        }
    }

    /// Replaces the numbers before the report by those of all products of the vendor.
    #[must_use]
    pub fn out_of(self, units: u64, products: u64) -> Self {
        Self {
            units_before: units,
            products_before: products,
            ..self
        }
    }
}

/// The bounds on what one report of a vendor may take away; each is optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// The share of the vendor's reported units that a report may take away; `None` for no limit.
    pub max_drop: Option<Share>,
    /// The share of the products with units that may go to none; `None` for no limit.
    pub max_flips: Option<Share>,
    /// Minimum number of lines of a full report; 0 for no limit.
    pub min_rows: u64,
}

/// The verdict of a guard on a report. It states the first bound that is exceeded: of rows, units, products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardVerdict {
    /// No bound is exceeded.
    Passed,
    /// The full report has too few lines.
    TooFewRows {
        /// Number of lines.
        rows: u64,
        /// The setting `min_rows`.
        min_rows: u64,
    },
    /// The report would take away too many units.
    Drop {
        /// Number of units that it would take away.
        lost: u64,
        /// Number of units before.
        of: u64,
        /// The setting `max_drop`.
        max_drop: Share,
    },
    /// Too many products would go from some units to none.
    Flips {
        /// Number of these products.
        flips: u64,
        /// Number of products with units before.
        of: u64,
        /// The setting `max_flips`.
        max_flips: Share,
    },
}

impl GuardVerdict {
    /// Whether the report is to be held.
    #[must_use]
    pub fn is_held(self) -> bool {
        self != Self::Passed
    }
}

impl fmt::Display for GuardVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Passed => f.write_str("the report exceeds no bound of the guard"),
            Self::TooFewRows { rows, min_rows } => write!(
                f,
                "the report has {} of at least {} rows (guard.min_rows)",
                grouped(rows),
                grouped(min_rows)
            ),
            Self::Drop { lost, of, max_drop } => write!(
                f,
                "the report would take away {} of {} units ({} %), more than guard.max_drop = {max_drop}",
                grouped(lost),
                grouped(of),
                percent(lost, of)
            ),
            Self::Flips {
                flips,
                of,
                max_flips,
            } => write!(
                f,
                "{} of {} products ({} %) would go from some units to none, more than guard.max_flips = {max_flips}",
                grouped(flips),
                grouped(of),
                percent(flips, of)
            ),
        }
    }
}

impl Guard {
    /// Whether any bound is set for reports of this kind.
    #[must_use]
    pub fn is_set(&self, kind: ReportKind) -> bool {
        self.is_share_set() || (kind == ReportKind::Full && self.min_rows > 0)
    }

    /// Whether the verdict depends on the effect of a report, and not only on the number of its lines.
    #[must_use]
    pub fn is_share_set(&self) -> bool {
        self.max_drop.is_some() || self.max_flips.is_some()
    }

    /// Decides on a report with this number of lines and this effect. `min_rows` applies to full reports only: a delta names
    /// few products.
    #[must_use]
    pub fn check(&self, kind: ReportKind, rows: u64, effect: &Effect) -> GuardVerdict {
        if kind == ReportKind::Full && rows < self.min_rows {
            return GuardVerdict::TooFewRows {
                rows,
                min_rows: self.min_rows,
            };
        }
        self.check_shares(effect)
    }

    fn check_shares(&self, effect: &Effect) -> GuardVerdict {
        let Effect {
            units_before,
            units_lost,
            products_before,
            flips,
        } = *effect;
        let exceeded =
            |max: Option<Share>, part, whole| max.filter(|max| max.is_exceeded_by(part, whole));
        if let Some(max_drop) = exceeded(self.max_drop, units_lost, units_before) {
            return GuardVerdict::Drop {
                lost: units_lost,
                of: units_before,
                max_drop,
            };
        }
        if let Some(max_flips) = exceeded(self.max_flips, flips, products_before) {
            return GuardVerdict::Flips {
                flips,
                of: products_before,
                max_flips,
            };
        }
        GuardVerdict::Passed
    }

    /// Whether two held reports of the same vendor agree, so that the second one confirms the first. This is symmetric for
    /// full reports: as the state before the other, neither exceeds the shares, with half of the units and a quarter of the
    /// products in place of a share that is not set. `min_rows` plays no part, because it may be what both are held for.
    ///
    /// A delta agrees with an earlier one only if it names all products of that one, and the condition holds for them. Its
    /// other products are not confirmed by the first: the caller checks them separately.
    #[must_use]
    pub fn agrees(&self, first: &Report, second: &Report) -> bool {
        if first.kind() != second.kind() {
            return false;
        }
        let (mut onwards, mut backwards) = (Effect::default(), Effect::default());
        for (product_id, &before) in first.quantities() {
            let Some(after) = second.quantity_of(product_id) else {
                return false;
            };
            onwards.add(before, after);
            backwards.add(after, before);
        }
        if first.kind() == ReportKind::Full {
            let quantities = second.quantities().iter();
            for (_, &after) in quantities.filter(|(id, _)| !first.quantities().contains_key(*id)) {
                backwards.add(after, 0);
            }
        }
        let shares = Self {
            max_drop: self.max_drop.or(Some(DEFAULT_MAX_DROP)),
            max_flips: self.max_flips.or(Some(DEFAULT_MAX_FLIPS)),
            min_rows: 0,
        };
        let is_held = |effect| shares.check_shares(effect).is_held();
        !is_held(&onwards) && !is_held(&backwards)
    }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A part in percent with at most one decimal, rounded up, so that it is more than the bound that it exceeds.
fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1_000).div_ceil(u128::from(whole.max(1)));
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

#[cfg(test)]
mod tests;
