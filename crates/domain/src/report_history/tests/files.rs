//! The evidence of files that were seen and not read.

use super::*;

/// The assessment of a report that was requested at `requested_at` from a file with this modification time.
fn of_file(modified: i64, document: Option<i64>, requested_at: i64) -> Assessment {
    let times = ResponseTimes {
        last_modified: Some(at(modified)),
        is_file_time: true,
        ..ResponseTimes::default()
    };
    let exchange = Exchange {
        requested_at: at(requested_at),
        received_at: at(requested_at),
    };
    assess(document.map(at), &times, exchange)
}

#[test]
fn file_that_was_seen_and_not_read_proves_no_more_later() {
    for (modified, first, expected) in [
        // The clock of the server is ahead by a little, and by two hours.
        (130, Ok(Some(at(100))), Some(at(100))),
        (7_300, Err(NoEvidence::SeenUnproven), None),
    ] {
        let mut history = ReportHistory::default();
        assert!(history.add_unread_file(at(modified), at(100)));
        // Seen again, when the time has passed.
        assert!(!history.add_unread_file(at(modified), at(8_000)));
        let read = history.adjust_to_claims(of_file(modified, None, 8_000));
        assert_eq!(read.proof.map(|proven| Some(proven.as_of)), first);
        assert_eq!(as_of(&read), expected);
        assert_eq!(read.order, order(100, 8_000));
        // Another version proves what its own time proves.
        let next = history.adjust_to_claims(of_file(8_100, None, 8_200));
        assert_eq!(as_of(&next), Some(at(8_099)));
    }
    // A file that grows.
    let mut history = ReportHistory::default();
    for seconds in 0..40 {
        assert!(history.add_unread_file(at(7_300 + seconds), at(100 + seconds)));
    }
    assert_eq!(history.claims.len(), MAX_CLAIMS);
    let older = history.adjust_to_claims(of_file(7_300, None, 8_000));
    assert_eq!(older.proof, Err(NoEvidence::SeenUnproven));
    let mut history = ReportHistory::default();
    assert!(!history.add_unread_file(at(90), at(100)));
    assert_eq!(history, ReportHistory::default());
}

#[test]
fn document_in_a_file_that_was_seen_and_not_read_proves_no_more_later() {
    let mut history = ReportHistory::default();
    assert!(history.add_unread_file(at(7_300), at(100)));
    let read = history.adjust_to_claims(of_file(7_300, Some(7_290), 8_000));
    assert_eq!(as_of(&read), Some(at(100)));
    let before = history.adjust_to_claims(of_file(7_300, Some(50), 8_000));
    assert_eq!(as_of(&before), Some(at(50)));
}
