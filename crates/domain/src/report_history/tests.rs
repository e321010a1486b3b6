//! Tests of repeated claims, of late reports and of empty reports.

mod files;
mod quarantine;

use super::*;
use crate::evidence::{Evidence, Exchange, ResponseTimes, assess};
use quarantine::held;

const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * SECOND)
}

fn order(as_of: i64, requested_at: i64) -> ReportOrder {
    ReportOrder {
        as_of: at(as_of),
        requested_at: at(requested_at),
    }
}

fn assessment(claim: Option<Claim>, order: ReportOrder, as_of: Option<i64>) -> Assessment {
    let proof = as_of.map(|as_of| Proven {
        as_of: at(as_of),
        evidence: Evidence::Document,
    });
    Assessment {
        order,
        claim,
        file: None,
        proof: proof.ok_or(NoEvidence::DocumentInFuture),
        clock_skew_ms: None,
    }
}

/// A proof that is as of 0.
fn some_proof() -> Proof {
    assessment(None, order(0, 0), Some(0)).proof
}

/// Adjusts the assessment of a document that states `claimed` and would prove `as_of`.
fn read(
    history: &mut ReportHistory,
    claimed: i64,
    order: ReportOrder,
    as_of: Option<i64>,
) -> Assessment {
    history.adjust_to_claims(assessment(document(claimed), order, as_of))
}

fn as_of(assessment: &Assessment) -> Option<Timestamp> {
    assessment.proof.ok().map(|proven| proven.as_of)
}

#[expect(clippy::unnecessary_wraps, reason = "compared with an Option")]
fn document(seconds: i64) -> Option<Claim> {
    Some(Claim::Document(at(seconds)))
}

#[test]
fn age_is_counted_from_the_proven_as_of_or_else_from_the_request() {
    let is_older = |proof: Option<Proof>, now: i64| {
        let history = ReportHistory {
            applied: Some(order(50, 200)),
            proof,
            ..ReportHistory::default()
        };
        history.is_older_than(Duration::from_mins(1), at(now))
    };
    let proven = Some(Ok(Proven {
        as_of: at(100),
        evidence: Evidence::LastModified,
    }));
    assert!(!is_older(proven, 160));
    assert!(is_older(proven, 161));
    let nothing = Some(Err(NoEvidence::DocumentInFuture));
    assert!(!is_older(nothing, 260));
    assert!(is_older(nothing, 261));
    let never = ReportHistory::default();
    assert!(!never.is_older_than(Duration::ZERO, at(1_000)));
    // The clock was ahead once.
    assert!(!is_older(proven, 0));
}

#[test]
fn same_or_older_claim_never_gets_a_later_as_of() {
    let mut history = ReportHistory::default();
    let first = read(&mut history, 160, order(100, 105), Some(100));
    assert_eq!(as_of(&first), Some(at(100)));
    let again = read(&mut history, 160, order(99, 140), Some(130));
    assert_eq!(as_of(&again), Some(at(100)));
    assert_eq!(again.order, order(100, 140));
    let older = read(&mut history, 150, order(120, 150), Some(120));
    assert_eq!(as_of(&older), Some(at(100)));
    let newer = read(&mut history, 170, order(95, 160), Some(130));
    assert_eq!(as_of(&newer), Some(at(130)));
    assert_eq!(
        newer.order.as_of,
        at(120),
        "a newer document is ordered after older ones"
    );
}

#[test]
fn claim_that_proved_nothing_proves_nothing_later() {
    let mut history = ReportHistory::default();
    let future = read(&mut history, 7_200, order(100, 100), None);
    assert_eq!(future.proof, Err(NoEvidence::DocumentInFuture));
    // Two hours later the same document is no longer in the future.
    let again = read(&mut history, 7_200, order(7_200, 7_300), Some(7_200));
    assert_eq!(again.proof, Err(NoEvidence::SeenUnproven));
    // The time of an older one is as wrong: it may be local time.
    let older = read(&mut history, 7_000, order(7_000, 7_300), Some(7_000));
    assert_eq!(older.proof, Err(NoEvidence::SeenUnproven));
    let next = read(&mut history, 7_201, order(7_201, 7_300), Some(7_201));
    assert_eq!(as_of(&next), Some(at(7_201)));
}

/// A file whose time is far in the future, and then files with the right time.
#[test]
fn claim_in_the_future_takes_no_evidence_from_others() {
    let mut history = ReportHistory::default();
    let first = read(&mut history, 50, order(50, 60), Some(50));
    let future = read(&mut history, 90_000, order(100, 100), None);
    assert_eq!(future.proof, Err(NoEvidence::DocumentInFuture));
    history.apply(ReportKind::Full, future.order, future.proof);
    for seconds in [101, 130] {
        let right = read(&mut history, seconds, order(seconds, 200), Some(seconds));
        assert_eq!(as_of(&right), Some(at(seconds)));
        let verdict = history.decide(&full(&[("p", 1)]), &right, true);
        assert_eq!(verdict, Verdict::Apply);
        history.apply(ReportKind::Full, right.order, right.proof);
    }
    // A newer claim that proved something limits an older one, and the one in the future limits no other.
    let again = read(&mut history, 50, order(55, 200), Some(55));
    assert_eq!((as_of(&again), again.order.as_of), (as_of(&first), at(50)));
    let older = read(&mut history, 110, order(140, 200), Some(140));
    assert_eq!(as_of(&older), Some(at(130)));
    let again = read(&mut history, 90_000, order(90_000, 90_100), Some(90_000));
    assert_eq!(again.proof, Err(NoEvidence::SeenUnproven));
    assert_eq!(again.order.as_of, at(100), "it was first read then");
    let newer = order(130, 200);
    let stale = history.decide(&full(&[("p", 1)]), &again, true);
    assert_eq!(stale, Verdict::Stale { newer });
}

#[test]
fn alternating_etags_keep_their_first_as_of() {
    let mut history = ReportHistory::default();
    let etag = |tag: &str, time| {
        let claim = Some(Claim::ETag(tag.to_owned()));
        assessment(claim, order(time, time), Some(time))
    };
    for (tag, time, expected) in [("a", 10, 10), ("b", 20, 20), ("a", 30, 10), ("b", 40, 20)] {
        let adjusted = history.adjust_to_claims(etag(tag, time));
        assert_eq!(as_of(&adjusted), Some(at(expected)), "{tag} {time}");
        assert_eq!(adjusted.order, order(time, time), "a tag is not a time");
    }
    for number in 0..100 {
        let _ = history.adjust_to_claims(etag(&number.to_string(), 50));
    }
    assert_eq!(history.claims.len(), MAX_CLAIMS);
}

#[test]
fn responses_without_a_claim_are_not_recorded() {
    let mut history = ReportHistory::default();
    for time in [10, 20] {
        let adjusted = history.adjust_to_claims(assessment(None, order(time, time), Some(time)));
        assert_eq!(as_of(&adjusted), Some(at(time)));
    }
    assert_eq!(history.claims, []);
}

#[test]
fn a_vendor_with_a_clock_ahead_gets_the_same_as_of_for_the_same_document() {
    // The clock is 60 s ahead. The document was generated at 100 s and is read twice, from a cache that renews `Date`.
    let mut history = ReportHistory::default();
    let mut read = |requested_at: i64| {
        let times = ResponseTimes {
            date: Some(at(requested_at + 60)),
            ..ResponseTimes::default()
        };
        let exchange = Exchange {
            requested_at: at(requested_at),
            received_at: at(requested_at),
        };
        history.adjust_to_claims(assess(Some(at(160)), &times, exchange))
    };
    let (first, second) = (read(101), read(140));
    assert_eq!(as_of(&first), Some(at(99)));
    assert_eq!(second.proof, first.proof);
    assert_eq!(second.order.as_of, first.order.as_of);
}

fn full(lines: &[(&str, i64)]) -> Report {
    let lines = lines.iter().map(|&(name, units)| {
        let product_id = crate::identifiers::ProductId::parse(name).unwrap();
        (product_id, units)
    });
    Report::parse(ReportKind::Full, None, lines).unwrap()
}

#[test]
fn with_equal_as_of_the_later_request_is_newer() {
    let mut history = ReportHistory::default();
    let proof = some_proof();
    history.apply(ReportKind::Full, order(10, 13), proof);
    let decide = |as_of, requested_at| {
        let assessment = assessment(None, order(as_of, requested_at), Some(as_of));
        history.decide(&full(&[("p", 1)]), &assessment, true)
    };
    let newer = order(10, 13);
    assert_eq!(decide(10, 11), Verdict::Stale { newer });
    assert_eq!(decide(9, 99), Verdict::Stale { newer });
    assert_eq!(decide(10, 13), Verdict::Apply);
    assert_eq!(decide(11, 12), Verdict::Apply);
}

#[test]
fn a_delta_is_compared_with_the_last_full_report_only() {
    let mut history = ReportHistory::default();
    let proof = some_proof();
    history.apply(ReportKind::Full, order(10, 10), proof);
    history.apply(ReportKind::Delta, order(20, 20), proof);
    assert_eq!(history.full, Some(order(10, 10)));
    let delta = Report::parse(ReportKind::Delta, None, []).unwrap();
    let decide = |as_of| {
        let assessment = assessment(None, order(as_of, as_of), Some(as_of));
        history.decide(&delta, &assessment, true)
    };
    let newer = order(10, 10);
    assert_eq!(decide(9), Verdict::Stale { newer });
    assert_eq!(decide(15), Verdict::Apply);
    history.apply(ReportKind::Delta, order(15, 15), proof);
    assert_eq!(
        history.applied,
        Some(order(20, 20)),
        "the newest applied order never decreases"
    );
}

#[test]
fn entries_later_than_the_clock_are_removed() {
    let proof = some_proof();
    let mut history = ReportHistory::default();
    history.apply(ReportKind::Full, order(10, 10), proof);
    let _ = read(&mut history, 10, order(10, 10), Some(10));
    let sound = history.clone();
    assert!(!history.remove_future_entries(at(10)));
    assert_eq!(history, sound);
    assert!(history.remove_future_entries(at(9)));
    assert_eq!((history.applied, history.full), (None, None));
    assert_eq!(history.claims, []);
}

#[test]
fn lag_is_subtracted_from_the_proven_as_of() {
    let proof = assessment(None, order(0, 0), Some(1_000)).proof;
    let lagging = with_lag(proof, Duration::from_mins(10));
    assert_eq!(lagging.unwrap().as_of, at(400));
    assert_eq!(
        with_lag(Err(NoEvidence::NoTime), Duration::from_mins(10)),
        Err(NoEvidence::NoTime)
    );
}

#[test]
fn a_begun_report_makes_older_ones_stale_and_is_not_evidence_yet() {
    let begun = order(100, 105);
    let older = assessment(document(99), order(99, 200), Some(99));
    let again = assessment(document(100), order(100, 200), Some(100));
    let empty = assessment(document(50), order(50, 50), None);

    let mut history = ReportHistory::default();
    history.quarantine(held(empty.clone(), 0));
    history.begin(ReportKind::Full, begun, false);
    let report = full(&[("p", 2)]);
    let stale = Verdict::Stale { newer: begun };
    assert_eq!(history.decide(&report, &older, true), stale);
    assert_eq!(history.decide(&report, &again, true), Verdict::Apply);
    assert_eq!((history.proof, history.quarantined), (None, None));

    // An empty report that is begun keeps the quarantined one that it confirms, in case its application is interrupted.
    let mut history = ReportHistory::default();
    history.quarantine(held(empty, 0));
    history.begin(ReportKind::Full, begun, true);
    assert_eq!(history.decide(&full(&[]), &again, true), Verdict::Confirm);
    let mut history = ReportHistory::default();
    history.begin(ReportKind::Delta, begun, false);
    assert_eq!(history.decide(&report, &older, true), stale);
    assert_eq!(history.full, None);
}

/// A file whose time is in the future: the server sends a new `Last-Modified` each time, and the same `ETag`.
#[test]
fn the_same_etag_never_gets_a_later_as_of_with_a_new_last_modified() {
    let mut history = ReportHistory::default();
    for (seconds, tag, expected) in [(10, "a", 10), (20, "a", 10), (30, "a", 10), (40, "b", 40)] {
        let claim = Claim::LastModified(at(seconds), Some(tag.to_owned()));
        let seen = assessment(Some(claim), order(seconds, seconds), Some(seconds));
        let adjusted = history.adjust_to_claims(seen);
        assert_eq!(adjusted.proof.unwrap().as_of, at(expected), "{seconds}");
        assert_eq!(adjusted.order, order(expected, seconds));
    }
    let alone = Claim::ETag("a".to_owned());
    let adjusted = history.adjust_to_claims(assessment(Some(alone), order(50, 50), Some(50)));
    assert_eq!(adjusted.proof.unwrap().as_of, at(10));
}

#[test]
fn an_interrupted_report_does_not_reset_the_age() {
    let is_older =
        |history: &ReportHistory, now| history.is_older_than(Duration::from_mins(1), at(now));
    let nothing = Err(NoEvidence::NoTime);
    let mut history = ReportHistory::default();
    history.begin(ReportKind::Full, order(100, 100), false);
    history.begin(ReportKind::Full, order(150, 150), false);
    assert!(!is_older(&history, 160));
    assert!(
        is_older(&history, 161),
        "counted from the first, partly applied report"
    );
    history.apply(ReportKind::Full, order(155, 155), nothing);
    history.begin(ReportKind::Full, order(200, 200), false);
    assert!(!is_older(&history, 215));
    assert!(is_older(&history, 216));
    history.apply(ReportKind::Full, order(200, 200), nothing);
    assert!(!is_older(&history, 260));
    assert!(is_older(&history, 261));
}

#[test]
fn each_part_of_a_report_increments_the_revision_only() {
    let mut history = ReportHistory::default();
    history.begin(ReportKind::Full, order(100, 100), false);
    let first = history.clone();
    history.begin(ReportKind::Full, order(100, 100), false);
    assert_ne!(history, first);
    assert!(history.is_of_same_reports(&first));
    history.begin(ReportKind::Full, order(101, 101), false);
    assert!(!history.is_of_same_reports(&first));
}

#[test]
fn older_delta_changes_neither_evidence_nor_age() {
    let proof = |seconds| assessment(None, order(0, 0), Some(seconds)).proof;
    let mut history = ReportHistory::default();
    history.apply(ReportKind::Delta, order(20, 21), proof(20));
    history.apply(ReportKind::Delta, order(10, 11), proof(10));
    assert_eq!(history.proof, Some(proof(20)));
    assert_eq!(history.completed_requested_at, Some(at(21)));
    assert!(!history.is_older_than(Duration::from_secs(5), at(24)));
    history.apply(ReportKind::Delta, order(30, 31), proof(30));
    assert_eq!(history.proof, Some(proof(30)));
}
