//! The states in which a condition may be sent.

use super::*;
use crate::evidence::{Evidence, NoEvidence, Proven, ReportOrder};
use crate::report::ReportKind;
use crate::report_history::QuarantinedReport;
use crate::run::ReportSize;

/// When the report was requested that was applied last, in seconds.
const REQUESTED: i64 = 1_000;
/// Up to when it includes shipments.
const PROVEN: i64 = 900;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn order() -> ReportOrder {
    ReportOrder {
        as_of: at(PROVEN),
        requested_at: at(REQUESTED),
    }
}

/// A vendor whose full report was applied to all of its products, a minute later.
fn complete() -> VendorSyncState {
    let mut history = ReportHistory::default();
    let proven = Proven {
        as_of: at(PROVEN),
        evidence: Evidence::LastModified,
    };
    history.apply(ReportKind::Full, order(), Ok(proven));
    history.validators = Some(Validators {
        scope: "s".to_owned(),
        etag: Some("\"1\"".to_owned()),
        last_modified: None,
    });
    VendorSyncState {
        now: at(REQUESTED + 60),
        history,
        configured_at: Some(at(REQUESTED)),
        has_stock: true,
        has_future_shipments: false,
        has_unmarked_shipments: false,
        has_quarantined_lines: false,
    }
}

/// Whether a condition is sent in a state that differs from that after a complete report.
fn is_sent(change: impl FnOnce(&mut VendorSyncState)) -> bool {
    let mut state = complete();
    change(&mut state);
    Condition::new(&state, None).is_some()
}

#[test]
fn condition_is_sent_after_a_complete_report() {
    let sent = Condition::new(&complete(), None).unwrap();
    assert_eq!(Some(sent.validators), complete().history.validators);
    assert!(is_sent(|state| state.configured_at = None));
    assert!(is_sent(|state| state.has_stock = false));
}

#[test]
fn condition_is_not_sent_if_the_report_may_still_change_something() {
    assert!(!is_sent(|state| state.has_future_shipments = true));
    assert!(!is_sent(|state| state.has_unmarked_shipments = true));
    assert!(!is_sent(
        |state| state.configured_at = Some(at(REQUESTED + 1))
    ));
    // The clock of the store was ahead, so the history is to be repaired.
    assert!(!is_sent(|state| state.now = at(REQUESTED - 1)));
    assert!(!is_sent(|state| {
        state.history.quarantined = Some(QuarantinedReport {
            order: order(),
            claim: None,
            proof: Err(NoEvidence::NoTime),
            kind: ReportKind::Full,
            lines: 1,
            reason: "held".to_owned(),
            size: ReportSize::default(),
            file: None,
        });
    }));
}

#[test]
fn any_later_application_of_a_report_ends_the_condition() {
    for kind in [ReportKind::Full, ReportKind::Delta] {
        assert!(!is_sent(|state| state.history.begin(kind, order(), false)));
        assert!(!is_sent(|state| {
            let proof = Err(NoEvidence::NoTime);
            state.history.apply(kind, order(), proof);
        }));
    }
}

#[test]
fn report_is_read_again_after_a_day() {
    let day = 24 * 3_600;
    assert!(is_sent(|state| state.now = at(REQUESTED + day - 1)));
    assert!(!is_sent(|state| state.now = at(REQUESTED + day)));
}

#[test]
fn condition_is_not_sent_for_numbers_that_are_too_old() {
    let sent = |max_age| Condition::new(&complete(), Some(Duration::from_secs(max_age))).is_some();
    assert!(sent(160));
    assert!(!sent(159));
}

#[test]
fn unchanged_report_that_proves_nothing_renews_the_age_and_one_that_proves_does_not() {
    let later = at(REQUESTED + 60);
    let max_age = Duration::from_secs(100);
    let is_old = |history: &ReportHistory| history.is_older_than(max_age, at(REQUESTED + 130));
    let mut proven = complete().history;
    proven.confirm_unchanged(later, Some(7));
    assert_eq!(proven.clock_skew_ms, Some(7));
    assert_eq!(proven.completed_requested_at, Some(later));
    assert!(is_old(&proven));
    let mut unproven = complete().history;
    unproven.proof = Some(Err(NoEvidence::NoTime));
    assert!(is_old(&unproven));
    unproven.confirm_unchanged(later, None);
    assert!(!is_old(&unproven));
    // An older request, whose response arrived later, takes nothing back.
    unproven.confirm_unchanged(at(REQUESTED), None);
    assert_eq!(unproven.completed_requested_at, Some(later));
}
