//! The guard of a vendor: how much one report may take away before it is held in quarantine.
//!
//! A guard bounds three numbers of a report: the share of the vendor's reported units that it takes away, the share of the
//! vendor's products that go from some units to none, and the number of its rows. All shares are of *reported* units: units
//! in flight are no part of a report. The decision is made over a whole report, before any part of it is applied.
//!
//! Units that other products gain do not offset units that are taken away, so a single wrong line with many units hides no
//! loss. A delta takes away units of the products that it names, and its shares are of all units and products of its vendor.
//! A vendor without reported units has nothing to lose: its report is held by `min_rows` only. A report that changes nothing is
//! never held.

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
    /// Number of products that the report adds or changes.
    pub changed: u64,
}

impl Effect {
    /// Adds a product with its reported units before and after the report.
    pub fn add(&mut self, before: u32, after: u32) {
        self.changed += u64::from(before != after);
        self.units_before += u64::from(before);
        self.units_lost += u64::from(before.saturating_sub(after));
        if before > 0 {
            self.products_before += 1;
            self.flips += u64::from(after == 0);
        }
    }

    /// Adds products that the vendor did not have before.
    pub fn add_new(&mut self, products: u64) {
        self.changed += products;
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

/// The verdict of a guard on a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardVerdict {
    /// No bound is exceeded.
    Passed,
    /// The full report has too few lines and changes nothing, so there is nothing to protect.
    Unchanged {
        /// Number of lines.
        rows: u64,
        /// The setting `min_rows`.
        min_rows: u64,
    },
    /// The report is to be held: it exceeds these bounds.
    Held(Exceeded),
}

/// The bounds of a guard that a report exceeds, each with its numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// The full report has too few lines: their number, and the setting `min_rows`.
    pub rows: Option<(u64, u64)>,
    /// The report would take away too many units.
    pub drop: Option<ExceededShare>,
    /// Too many products would go from some units to none.
    pub flips: Option<ExceededShare>,
}

/// A share that a report exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceededShare {
    /// Number of units that the report would take away, or of products that would go to none.
    pub part: u64,
    /// Number of units, or of products with units, before the report.
    pub of: u64,
    /// The setting.
    pub max: Share,
}

impl ExceededShare {
    /// The share, if it is set and `part` of `whole` is more.
    fn check(max: Option<Share>, part: u64, whole: u64) -> Option<Self> {
        let max = max.filter(|max| max.is_exceeded_by(part, whole))?;
        Some(Self {
            part,
            of: whole,
            max,
        })
    }
}

impl Exceeded {
    /// The texts of the bounds, each with its setting.
    fn texts(&self) -> impl Iterator<Item = String> {
        let rows = self
            .rows
            .map(|(rows, min_rows)| too_few_rows(rows, min_rows));
        let drop = self.drop.map(|ExceededShare { part, of, max }| {
            format!(
                "the report would take away {} of {} units ({} %), more than guard.max_drop = {max}",
                grouped(part),
                grouped(of),
                percent(part, of)
            )
        });
        let flips = self.flips.map(|ExceededShare { part, of, max }| {
            format!(
                "{} of {} products ({} %) would go from some units to none, more than guard.max_flips = {max}",
                grouped(part),
                grouped(of),
                percent(part, of)
            )
        });
        [rows, drop, flips].into_iter().flatten()
    }
}

fn too_few_rows(rows: u64, min_rows: u64) -> String {
    let (rows, min_rows) = (grouped(rows), grouped(min_rows));
    format!("the report has {rows} of at least {min_rows} rows (guard.min_rows)")
}

impl GuardVerdict {
    /// Whether the report is to be held.
    #[must_use]
    pub fn is_held(self) -> bool {
        !matches!(self, Self::Passed | Self::Unchanged { .. })
    }
}

impl From<Exceeded> for GuardVerdict {
    fn from(exceeded: Exceeded) -> Self {
        if exceeded == Exceeded::default() {
            Self::Passed
        } else {
            Self::Held(exceeded)
        }
    }
}

/// One line with all bounds that the report exceeds.
impl fmt::Display for GuardVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("the report exceeds no bound of the guard"),
            Self::Unchanged { rows, min_rows } => {
                let too_few = too_few_rows(*rows, *min_rows);
                write!(f, "{too_few}, and changes nothing")
            }
            Self::Held(exceeded) => {
                let texts: Vec<String> = exceeded.texts().collect();
                f.write_str(&texts.join("; "))
            }
        }
    }
}

impl Guard {
    /// Whether any bound is set for reports of this kind.
    #[must_use]
    pub fn is_set(&self, kind: ReportKind) -> bool {
        self.is_share_set() || (kind == ReportKind::Full && self.min_rows > 0)
    }

    /// Whether the verdict on a report with this number of lines depends on its effect.
    #[must_use]
    pub fn needs_effect(&self, kind: ReportKind, rows: u64) -> bool {
        self.is_share_set() || self.has_too_few(kind, rows)
    }

    fn is_share_set(&self) -> bool {
        self.max_drop.is_some() || self.max_flips.is_some()
    }

    /// `min_rows` applies to full reports only: a delta names few products.
    fn has_too_few(&self, kind: ReportKind, rows: u64) -> bool {
        kind == ReportKind::Full && rows < self.min_rows
    }

    /// Decides on a report with this number of lines and this effect. A report that changes nothing is never held.
    #[must_use]
    pub fn check(&self, kind: ReportKind, rows: u64, effect: &Effect) -> GuardVerdict {
        let is_short = self.has_too_few(kind, rows);
        let min_rows = self.min_rows;
        if is_short && effect.changed == 0 {
            return GuardVerdict::Unchanged { rows, min_rows };
        }
        let exceeded = Exceeded {
            rows: is_short.then_some((rows, min_rows)),
            ..self.exceeded_shares(effect)
        };
        exceeded.into()
    }

    /// The shares that a report with this effect exceeds.
    fn exceeded_shares(&self, effect: &Effect) -> Exceeded {
        Exceeded {
            rows: None,
            drop: ExceededShare::check(self.max_drop, effect.units_lost, effect.units_before),
            flips: ExceededShare::check(self.max_flips, effect.flips, effect.products_before),
        }
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
        let is_held = |effect| shares.exceeded_shares(effect) != Exceeded::default();
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
