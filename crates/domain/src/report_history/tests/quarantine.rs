//! Tests of the report in quarantine.

use super::*;

/// A full report in quarantine.
pub(super) fn held(assessment: Assessment, lines: u64) -> QuarantinedReport {
    QuarantinedReport {
        order: assessment.order,
        claim: assessment.claim,
        proof: assessment.proof,
        kind: ReportKind::Full,
        lines,
        reason: "held".to_owned(),
        size: ReportSize::default(),
        file: None,
    }
}

/// Whether the report is put into quarantine.
fn keeps(history: &mut ReportHistory, report: QuarantinedReport) -> bool {
    history.quarantine(report) != Quarantining::NotKept
}

#[test]
fn an_empty_full_report_is_quarantined_until_a_second_one_with_another_claim() {
    let mut history = ReportHistory::default();
    let empty = full(&[]);
    let proof = some_proof();
    history.apply(ReportKind::Full, order(1, 1), proof);
    let seen = |time, claim| assessment(claim, order(time, time), Some(time));

    let first = seen(2, document(2));
    assert_eq!(history.decide(&empty, &first, false), Verdict::Apply);
    assert_eq!(history.decide(&empty, &first, true), Verdict::Quarantine);
    assert!(keeps(&mut history, held(first, 0)));
    for again in [seen(2, document(3)), seen(9, document(2))] {
        assert_eq!(history.decide(&empty, &again, true), Verdict::Quarantine);
        assert!(!keeps(&mut history, held(again, 0)));
    }
    assert_eq!(history.quarantined.as_ref().unwrap().order, order(2, 2));
    for claim in [document(9), None] {
        let second = seen(9, claim);
        assert_eq!(history.decide(&empty, &second, true), Verdict::Confirm);
    }
    history.apply(ReportKind::Full, order(9, 9), proof);
    assert_eq!(history.quarantined, None);
}

#[test]
fn a_newer_report_replaces_the_quarantined_one() {
    let mut history = ReportHistory::default();
    let seen = |as_of, requested_at, claim| {
        held(
            assessment(document(claim), order(as_of, requested_at), Some(as_of)),
            2,
        )
    };
    let first = seen(10, 10, 1);
    let kept = history.quarantine(first.clone());
    assert_eq!(kept, Quarantining::Kept { replaced: None });
    for (report, reason) in [
        (seen(10, 20, 1), "the same claim"),
        (seen(9, 20, 2), "an older as-of"),
        (seen(11, 9, 2), "an earlier request"),
    ] {
        assert!(!keeps(&mut history, report), "{reason}");
    }
    let replaced = Some(first);
    let kept = history.quarantine(seen(11, 20, 2));
    assert_eq!(kept, Quarantining::Kept { replaced });
    let quarantined = history.quarantined.clone().unwrap();
    assert_eq!(quarantined.lines_of(), Some(at(20)));
    assert_eq!(
        held(assessment(None, order(1, 1), None), 0).lines_of(),
        None
    );

    // A quarantined report with lines does not confirm an empty one.
    let empty = assessment(document(3), order(12, 30), Some(12));
    assert_eq!(
        history.decide(&full(&[]), &empty, true),
        Verdict::Quarantine
    );
}

#[test]
fn a_quarantined_report_is_dropped_only_if_it_is_outdated() {
    use ReportKind::{Delta, Full};

    let proof = some_proof();
    let full_report = held(assessment(None, order(20, 20), Some(20)), 2);
    let delta = QuarantinedReport {
        kind: ReportKind::Delta,
        ..full_report.clone()
    };
    let is_kept = |report: &QuarantinedReport, kind, as_of| {
        let mut history = ReportHistory {
            quarantined: Some(report.clone()),
            ..ReportHistory::default()
        };
        let mut begun = history.clone();
        begun.begin(kind, order(as_of, as_of), false);
        history.apply(kind, order(as_of, as_of), proof);
        assert_eq!(history.quarantined, begun.quarantined);
        history.quarantined.is_some()
    };
    assert!(is_kept(&full_report, Full, 19));
    assert!(
        !is_kept(&full_report, Full, 20),
        "the quarantined one itself"
    );
    assert!(!is_kept(&full_report, Full, 21));
    assert!(!is_kept(&full_report, Delta, 21));
    assert!(
        is_kept(&delta, Delta, 21),
        "another delta does not state its products"
    );
    assert!(!is_kept(&delta, Full, 21));
    assert!(is_kept(&delta, Full, 19));
}

#[test]
fn only_the_named_report_leaves_the_quarantine() {
    let report = held(assessment(None, order(20, 20), Some(20)), 2);
    let mut history = ReportHistory {
        quarantined: Some(report),
        ..ReportHistory::default()
    };
    history.release(order(20, 21));
    assert!(history.quarantined.is_some());
    history.release(order(20, 20));
    assert_eq!(history.quarantined, None);
}

#[test]
fn an_empty_full_report_is_held_without_a_guard() {
    let empty = held(assessment(None, order(1, 1), None), 0);
    assert_eq!(empty.guard(), None);
    let delta = QuarantinedReport {
        kind: ReportKind::Delta,
        ..empty.clone()
    };
    let full = QuarantinedReport { lines: 1, ..empty };
    for report in [delta, full] {
        assert_eq!(report.guard(), Some("held"));
    }
}
