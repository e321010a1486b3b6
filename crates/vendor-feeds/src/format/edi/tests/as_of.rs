//! The as-of of both syntaxes.

use super::super::{edifact, x12};
use super::*;

#[test]
fn as_of_of_edifact_is_a_dtm_of_the_header() {
    let berlin = Some("Europe/Berlin");
    let instant = |segments: &str, code: &str, zone| {
        as_of::<edifact::Edifact>(&edifact_invrpt::interchange(segments), code, zone)
    };
    for (dates, code, zone, expected) in [
        (
            "DTM+137:20261123:102'",
            "137",
            berlin,
            "2026-11-22T23:00:00Z",
        ),
        (
            "DTM+137:202611231200:203'",
            "137",
            berlin,
            "2026-11-23T11:00:00Z",
        ),
        (
            "DTM+194:20261123120059:204'",
            "194",
            Some("UTC"),
            "2026-11-23T12:00:59Z",
        ),
        (
            "DTM+137:20261101:102'DTM+179:202611231200?+0200:205'",
            "179",
            None,
            "2026-11-23T10:00:00Z",
        ),
        // A date behind the header is of a reference, or of a line.
        (
            "DTM+137:20261123:102'RFF+ACE:1'DTM+137:20250101:102'LIN+1++A:EN'DTM+137:20250101:102'",
            "137",
            Some("UTC"),
            "2026-11-23T00:00:00Z",
        ),
    ] {
        let found = instant(dates, code, zone).unwrap();
        assert_eq!(found, timestamp(expected), "{dates}");
    }
    for (dates, code, zone, problem) in [
        (
            "",
            "137",
            berlin,
            "segment 4: the message has no 137 in its header (format.as_of)",
        ),
        (
            "DTM+137:202611231200:203'",
            "137",
            None,
            "segment 4: 137 is \"202611231200\", without an offset (format.as_of_zone states the time zone)",
        ),
        (
            "DTM+137:20261123:102'",
            "137",
            None,
            "segment 4: 137 is \"20261123\", without an offset (format.as_of_zone states the time zone)",
        ),
        (
            "DTM+137:20261123:203'",
            "137",
            berlin,
            "segment 4: 137 is \"20261123\", expected a time of the pattern %Y%m%d%H%M",
        ),
        (
            "DTM+137:261123:101'",
            "137",
            berlin,
            "segment 4: DTM 2379 is \"101\", expected 102, 203, 204 or 205",
        ),
        (
            "DTM+137:20261123:102'DTM+137:20261124:102'",
            "137",
            berlin,
            "segment 5: 137 is there twice (format.as_of)",
        ),
    ] {
        assert_eq!(instant(dates, code, zone).unwrap_err(), problem, "{dates}");
    }
}

#[test]
fn as_of_is_the_earliest_of_the_messages() {
    let message = |number: u32, date: &str| {
        format!("UNH+{number}+INVRPT:D:96A:UN'BGM+35+1+9'DTM+137:{date}:102'UNT+4+{number}'")
    };
    let text = [
        "UNB+UNOC:3+A+B+261123:1200+1'".to_owned(),
        message(1, "20261123"),
        message(2, "20261121"),
        message(3, "20261122"),
        "UNZ+3+1'".to_owned(),
    ];
    let text = text.concat();
    let read = |text: &str| as_of::<edifact::Edifact>(text, "137", Some("UTC"));
    assert_eq!(read(&text).unwrap(), timestamp("2026-11-21T00:00:00Z"));
    let one_without = text.replacen("DTM+137:20261122", "DTM+178:20261122", 1);
    assert_eq!(
        read(&one_without).unwrap_err(),
        "segment 13: the message has no 137 in its header (format.as_of)"
    );
}

#[test]
fn as_of_of_x12_is_bia_or_a_dtm_of_the_header() {
    let instant = |bia: &str, segments: &str, code: &str, zone| {
        let text = x12_846::interchange(segments).replacen("BIA*00*SI*1*20261123~", bia, 1);
        as_of::<x12::X12>(&text, code, zone)
    };
    let new_york = Some("America/New_York");
    let bia = "BIA*00*SI*1*20261123*1200~";
    for (bia, segments, code, zone, expected) in [
        (
            "BIA*00*SI*1*20261123~",
            "",
            "BIA",
            new_york,
            "2026-11-23T05:00:00Z",
        ),
        (bia, "", "BIA", new_york, "2026-11-23T17:00:00Z"),
        (
            "BIA*00*SI*1*20261123*120059~",
            "",
            "BIA",
            Some("UTC"),
            "2026-11-23T12:00:59Z",
        ),
        (
            "BIA*00*SI*1*20261123*12005999~",
            "",
            "BIA",
            Some("UTC"),
            "2026-11-23T12:00:59Z",
        ),
        (
            bia,
            "DTM*007*20261122*0830~",
            "007",
            new_york,
            "2026-11-22T13:30:00Z",
        ),
        (
            bia,
            "DTM*007*20261122*0830*UT~",
            "007",
            new_york,
            "2026-11-22T08:30:00Z",
        ),
        (
            bia,
            "REF*IA*1~DTM*036*20261122*083000*GM~",
            "036",
            None,
            "2026-11-22T08:30:00Z",
        ),
        (
            bia,
            "DTM*007*20261122~N1*SU*V~DTM*007*20250101~LIN**SK*A~DTM*007*20250101~",
            "007",
            Some("UTC"),
            "2026-11-22T00:00:00Z",
        ),
    ] {
        assert_eq!(
            instant(bia, segments, code, zone).unwrap(),
            timestamp(expected),
            "{bia}{segments}"
        );
    }
    for (bia, segments, code, zone, problem) in [
        (
            bia,
            "",
            "007",
            new_york,
            "segment 5: the transaction set has no 007 in its header (format.as_of)",
        ),
        (
            bia,
            "",
            "BIA",
            None,
            "segment 4: BIA is \"202611231200\", without an offset (format.as_of_zone states the time zone)",
        ),
        (
            "BIA*00*SI*1*261123*1200~",
            "",
            "BIA",
            new_york,
            "segment 4: BIA is \"2611231200\", expected a time of the pattern %Y%m%d%H%M",
        ),
        (
            bia,
            "DTM*007*20261122*0830*ET~",
            "007",
            new_york,
            "segment 5: DTM04 is \"ET\", expected UT, GM or none",
        ),
    ] {
        let found = instant(bia, segments, code, zone).unwrap_err();
        assert_eq!(found, problem, "{bia}{segments}");
    }
}
