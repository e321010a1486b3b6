//! Tests of the assessment: header fields and the resulting as-of.

use super::*;

/// The time of the request in each test: 2026-11-23T12:00:00.5Z.
const REQUESTED: Timestamp = Timestamp::from_micros(1_795_435_200_500_000);

/// The instant `seconds` after 12:00:00.
fn at(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    let micros = (seconds * 1_000_000.0) as i64;
    Timestamp::from_micros(1_795_435_200_000_000 + micros)
}

fn exchange() -> Exchange {
    Exchange {
        requested_at: REQUESTED,
        received_at: at(0.7),
    }
}

fn date(seconds: f64) -> ResponseTimes {
    ResponseTimes {
        date: Some(at(seconds)),
        ..ResponseTimes::default()
    }
}

/// The times with `Last-Modified`.
fn modified(seconds: f64, times: ResponseTimes) -> ResponseTimes {
    ResponseTimes {
        last_modified: Some(at(seconds)),
        ..times
    }
}

/// The times with an `Age`, in seconds.
fn aged(seconds: u64, times: ResponseTimes) -> ResponseTimes {
    ResponseTimes {
        age: Some(Duration::from_secs(seconds)),
        ..times
    }
}

/// The times with a freshness lifetime, in seconds.
fn fresh(seconds: u64, times: ResponseTimes) -> ResponseTimes {
    ResponseTimes {
        freshness: Some(Duration::from_secs(seconds)),
        ..times
    }
}

fn proof(document: Option<Timestamp>, times: &ResponseTimes) -> Proof {
    assess(document, times, exchange()).proof
}

#[expect(clippy::unnecessary_wraps, reason = "compared with an Option")]
fn proven(seconds: f64, evidence: Evidence) -> Proof {
    Ok(Proven {
        as_of: at(seconds),
        evidence,
    })
}

#[test]
fn date_is_the_bound_if_there_is_no_other_time() {
    for (times, expected) in [
        (date(0.0), 0.0),
        (date(-20.0), -20.0),
        // The response was sent in the next second: nothing after the request is included.
        (date(1.0), 0.0),
        // The vendor's clock is ahead.
        (date(60.0), 0.0),
        // HAProxy, Varnish and Squid keep the origin's date and add an age, which is subtracted once.
        (aged(300, date(-300.0)), -300.0),
        // Apache sends a new date with the age.
        (aged(300, date(0.0)), -300.0),
        // A cached response of a vendor whose clock is behind.
        (aged(300, date(-360.0)), -360.0),
        // A cache may have stored the response for as long as its freshness allows.
        (fresh(60, date(0.0)), -60.0),
        (aged(10, fresh(60, date(0.0))), -70.0),
        (
            ResponseTimes {
                etag: Some("\"x\"".to_owned()),
                ..date(0.0)
            },
            0.0,
        ),
    ] {
        let proof = proof(None, &times);
        assert_eq!(proof, proven(expected, Evidence::Date), "{times:?}");
    }
}

#[test]
fn modification_time_of_a_file_is_evidence_of_its_own() {
    let file = |seconds| ResponseTimes {
        last_modified: Some(at(seconds)),
        is_file_time: true,
        ..ResponseTimes::default()
    };
    let proof = |seconds| assess(None, &file(seconds), exchange()).proof;
    assert_eq!(proof(-300.0), proven(-301.0, Evidence::FileTime));
    // Not later than the request, and nothing if it is ahead by more than a minute.
    assert_eq!(proof(60.7), proven(0.5, Evidence::FileTime));
    assert_eq!(proof(60.8), Err(NoEvidence::FileTimeInFuture));
    assert_eq!(exchange().file_time_ahead(at(60.7)), Duration::ZERO);
    assert_eq!(
        exchange().file_time_ahead(at(3_600.7)),
        Duration::from_hours(1)
    );
}

#[test]
fn reason_names_the_time_of_the_file_instead_of_a_header() {
    let explanation = |is_file_time, times| {
        let times = ResponseTimes {
            is_file_time,
            ..times
        };
        let unproven = proof(None, &times).unwrap_err();
        assert_eq!(unproven.to_string().parse(), Ok(unproven));
        unproven.explanation()
    };
    let ahead = modified(90.0, ResponseTimes::default());
    assert_eq!(
        explanation(true, ahead.clone()),
        "the modification time of the file is in the future"
    );
    assert_eq!(explanation(false, ahead), "Last-Modified is in the future");
    let unusable = |times| ResponseTimes {
        is_last_modified_unusable: true,
        ..times
    };
    assert_eq!(
        explanation(true, unusable(ResponseTimes::default())),
        "the modification time of the file cannot be read"
    );
    assert_eq!(
        explanation(false, unusable(date(0.0))),
        "Last-Modified cannot be read"
    );
    let before_1970 = modified(-2e9, ResponseTimes::default());
    assert_eq!(
        explanation(true, before_1970),
        "the times of the report add up to an instant before 1970"
    );
}

#[test]
fn last_modified_is_a_bound_and_freshness_is_ignored_then() {
    for (times, expected) in [
        (modified(-28_800.0, date(0.0)), -28_801.0),
        (modified(-28_800.0, fresh(60, date(0.0))), -28_801.0),
        (modified(-5.0, aged(30, date(0.0))), -29.5),
        (modified(-5.0, date(-9.0)), -9.0),
        (modified(-5.0, ResponseTimes::default()), -6.0),
        // The clock is ahead: one second is subtracted, because a date has no fraction.
        (modified(50.0, date(60.0)), -11.5),
    ] {
        let proof = proof(None, &times);
        assert_eq!(proof, proven(expected, Evidence::LastModified), "{times:?}");
    }
    let ahead = modified(3.0, date(0.0));
    assert_eq!(proof(None, &ahead), Err(NoEvidence::LastModifiedInFuture));
}

#[test]
fn with_an_unreadable_last_modified_only_the_document_as_of_is_evidence() {
    let times = ResponseTimes {
        is_last_modified_unusable: true,
        ..date(0.0)
    };
    let unusable = Err(NoEvidence::UnusableLastModified);
    assert_eq!(proof(None, &times), unusable);
    let documented = proof(Some(at(-9.0)), &times);
    assert_eq!(documented, proven(-9.0, Evidence::Document));
}

/// Apache sends the time of the response for a file whose own time is in the future; aiohttp rounds up.
#[test]
fn a_last_modified_equal_to_the_response_time_is_date_evidence_of_one_second_earlier() {
    for (seconds, freshness, expected) in [
        (0.0, 0, -1.0),
        (1.0, 0, 0.0),
        (0.0, 60, -60.0),
        (1.0, 60, -60.0),
    ] {
        let times = modified(seconds, fresh(freshness, date(0.0)));
        let assessed = assess(None, &times, exchange());
        assert_eq!(
            assessed.proof,
            proven(expected, Evidence::Date),
            "{times:?}"
        );
        assert_eq!(assessed.claim, Some(Claim::LastModified(at(seconds), None)));
    }
}

#[test]
fn document_as_of_is_combined_with_the_headers() {
    for (document, times, expected) in [
        (-30.0, date(0.0), -30.0),
        (-30.0, ResponseTimes::default(), -30.0),
        (-30.0, modified(-40.0, date(0.0)), -41.0),
        (-30.0, fresh(600, date(0.0)), -30.0),
        (-30.0, aged(60, date(0.0)), -59.5),
        (-30.0, aged(MAX_AGE.as_secs(), date(0.0)), -30.0),
        // A `Last-Modified` that equals the time of the response and may be rounded up.
        (0.6, modified(0.0, date(0.0)), -1.0),
        // Generated while the request was handled.
        (0.6, date(0.0), 0.0),
        // The clock is 60 s ahead: the document is as of the request, and 20 s before.
        (60.6, date(60.0), 0.1),
        (40.0, date(60.0), -20.5),
        // A clock that is behind is not corrected.
        (-90.0, date(-60.0), -90.0),
    ] {
        let proof = proof(Some(at(document)), &times);
        let expected = proven(expected, Evidence::Document);
        assert_eq!(proof, expected, "{document} {times:?}");
    }
}

#[test]
fn document_as_of_ahead_by_a_fraction_of_a_second_is_evidence() {
    // The vendor's clock is 0.4 s ahead, which its `Date` does not show.
    let proof = proof(Some(at(0.95)), &date(0.0));
    assert_eq!(proof, proven(0.0, Evidence::Document));
}

#[test]
fn times_in_the_future_and_missing_times_prove_nothing() {
    let two_hours = Some(at(7_200.0));
    for (document, times, expected) in [
        (two_hours, date(0.0), NoEvidence::DocumentInFuture),
        (two_hours, date(60.0), NoEvidence::DocumentInFuture),
        (
            two_hours,
            ResponseTimes::default(),
            NoEvidence::DocumentInFuture,
        ),
        (
            two_hours,
            modified(-9.0, date(0.0)),
            NoEvidence::DocumentInFuture,
        ),
        (None, ResponseTimes::default(), NoEvidence::NoTime),
        (None, aged(9, ResponseTimes::default()), NoEvidence::NoTime),
        (
            None,
            aged(MAX_AGE.as_secs(), date(0.0)),
            NoEvidence::UnusableAge,
        ),
        (None, date(200_000.0), NoEvidence::UnusableDate),
        (None, date(-1e10), NoEvidence::UnusableDate),
        (
            None,
            fresh(MAX_AGE.as_secs(), date(0.0)),
            NoEvidence::TooOld,
        ),
        (
            Some(Timestamp::from_micros(-1)),
            date(0.0),
            NoEvidence::TooOld,
        ),
    ] {
        let assessed = assess(document, &times, exchange());
        assert_eq!(assessed.proof, Err(expected), "{document:?} {times:?}");
        assert!(assessed.order.as_of <= REQUESTED);
        assert!(!expected.explanation().is_empty());
    }
}

#[test]
fn order_is_the_claim_and_never_later_than_the_request() {
    let as_of = |document, times: &ResponseTimes| {
        let order = assess(document, times, exchange()).order;
        assert_eq!(order.requested_at, REQUESTED);
        order.as_of
    };
    let modified = modified(-9.0, date(-20.0));
    assert_eq!(as_of(Some(at(-30.0)), &modified), at(-30.0));
    assert_eq!(as_of(None, &modified), at(-9.0));
    assert_eq!(as_of(Some(at(7_200.0)), &date(0.0)), REQUESTED);
    assert_eq!(as_of(None, &ResponseTimes::default()), REQUESTED);
    // Two responses within a second are equal, and the time of the request decides.
    for same in [date(0.0), date(1.0), date(60.0)] {
        assert_eq!(as_of(None, &same), at(0.0));
    }
    let cached = aged(MAX_AGE.as_secs(), date(-5.0));
    assert_eq!(as_of(None, &cached), at(-5.0));
}

#[test]
fn clock_skew_has_both_signs_and_ignores_the_age_of_cached_responses() {
    let skew = |times: ResponseTimes| assess(None, &times, exchange()).clock_skew_ms;
    assert_eq!(skew(date(0.0)), Some(0));
    assert_eq!(skew(date(60.0)), Some(59_300));
    assert_eq!(skew(date(-60.0)), Some(-59_500));
    assert_eq!(skew(aged(60, date(-60.0))), Some(0));
    assert_eq!(skew(aged(60, date(0.0))), Some(0));
    assert_eq!(skew(ResponseTimes::default()), None);
}
