//! Interchanges with an EDIFACT INVRPT.

use super::*;

/// An interchange with these segments in its message; the count is right.
pub(super) fn interchange(segments: &str) -> String {
    let count = segments.matches('\'').count() + 3;
    format!(
        "UNB+UNOC:3+VENDOR+SHOP+261123:1200+42'UNH+1+INVRPT:D:96A:UN'BGM+35+1+9'{segments}UNT+{count}+1'UNZ+1+42'"
    )
}

fn edifact(text: &str, product_id: &str) -> Result<Vec<String>, String> {
    let format: Edifact = edi(product_id, &["145"]);
    read(&format, text).map(|(records, _)| records)
}

fn records(segments: &str, product_id: &str) -> Vec<String> {
    edifact(&interchange(segments), product_id).unwrap()
}

#[test]
fn a_line_is_a_record() {
    let lines = "DTM+137:20261123:102'LIN+1++4006381333931:EN'PIA+1+A?+1:SA'IMD+F++:::Pen'QTY+145:12:PCE'QTY+198:3'\
        LIN+2++4006381333948:EN'PIA+5+B:SA+X:BP'PIA+4+C:SA'QTY+17:1'";
    assert_eq!(
        records(lines, "EN"),
        [
            r#"segment 5: Text("4006381333931") [Number("12")]"#,
            r#"segment 10: Text("4006381333948") [Missing]"#,
        ]
    );
    // A product that the item substitutes (PIA+4) is not the item.
    assert_eq!(
        records(lines, "SA"),
        [
            r#"segment 5: Text("A+1") [Number("12")]"#,
            r#"segment 10: Text("B") [Missing]"#,
        ]
    );
    assert_eq!(
        records(lines, "BP")[1],
        r#"segment 10: Text("X") [Missing]"#
    );
    assert_eq!(records("", "EN"), [""; 0]);
}

#[test]
fn a_movement_is_not_stock() {
    let values = |segments: &str| {
        let found = records(&format!("LIN+1++A:EN'{segments}"), "EN");
        let values = |record: &String| record.split_once(" [").unwrap().1.to_owned();
        found.iter().map(values).collect::<Vec<_>>()
    };
    for (segments, expected) in [
        // D.96A: INV behind the quantity that it describes.
        (
            "QTY+145:5'INV+1'",
            vec![r#"Other("5 out of the inventory, a movement (INV)")]"#],
        ),
        (
            "QTY+145:5'INV+2+1'",
            vec![r#"Other("5 into the inventory, a movement (INV)")]"#],
        ),
        ("QTY+198:9'INV+2'QTY+145:5'", vec![r#"Number("5")]"#]),
        ("QTY+145:5'QTY+198:9'INV+2'", vec![r#"Number("5")]"#]),
        // The movement of a line is not that of the next.
        (
            "INV+1'QTY+198:5'LIN+2++B:EN'QTY+145:6'",
            vec!["Missing]", r#"Number("6")]"#],
        ),
        (
            "QTY+145:5'LOC+18+1'QTY+198:9'INV+2'",
            vec![r#"Number("5")]"#],
        ),
        // EANCOM 2002: INV before it. 4503 states a balance.
        (
            "INV+1'QTY+145:5'",
            vec![r#"Other("5 out of the inventory, a movement (INV)")]"#],
        ),
        ("INV+1+1++1'QTY+145:5'", vec![r#"Number("5")]"#]),
        (
            "INV+++ +1'QTY+145:5'INV+1'QTY+198:7'",
            vec![r#"Number("5")]"#],
        ),
        (
            "INV+2'QTY+198:7'INV+++ +1'QTY+145:5'",
            vec![r#"Number("5")]"#],
        ),
        // Several locations.
        (
            "QTY+145:5'LOC+18+1'QTY+145:6'LOC+18+2'",
            vec![r#"Number("5")]"#, r#"Number("6")]"#],
        ),
    ] {
        assert_eq!(values(segments), expected, "{segments}");
    }
}

#[test]
fn decimal_mark_is_that_of_the_interchange() {
    let value = |una: &str, version: char, quantity: &str| {
        let text = interchange(&format!("LIN+1++A:EN'QTY+145:{quantity}'"));
        let text = text.replacen("UNOC:3", &format!("UNOC:{version}"), 1);
        let found = edifact(&format!("{una}{text}"), "EN").unwrap();
        found[0].split_once(" [").unwrap().1.to_owned()
    };
    for (una, version, quantity, expected) in [
        // Without UNA the mark is a comma up to version 3, which many do not keep; digits are never grouped.
        ("", '3', "1,5", r#"Number("1.5")]"#),
        ("", '3', "1.5", r#"Number("1.5")]"#),
        ("UNA:+,? '", '3', "1,0", r#"Number("1.0")]"#),
        ("UNA:+,? '", '3', "1.000", r#"Other("1.000")]"#),
        ("UNA:+.? '", '3', "1,000", r#"Other("1,000")]"#),
        ("UNA:+.? '", '3', "12.00", r#"Number("12.00")]"#),
        // From version 4 on the mark of UNA has no meaning.
        ("UNA:+.? '", '4', "1,5", r#"Number("1.5")]"#),
        ("", '3', "1.234,5", r#"Other("1.234,5")]"#),
        ("", '3', "-2", r#"Number("-2")]"#),
        ("", '3', ",5", r#"Other(",5")]"#),
        ("", '3', "10?+", r#"Text("10+")]"#),
        ("", '3', "", r#"Text("")]"#),
    ] {
        assert_eq!(value(una, version, quantity), expected, "{una} {quantity}");
    }
}

#[test]
fn envelope_must_be_right() {
    let whole = interchange("LIN+1++A:EN'QTY+145:1'");
    assert!(edifact(&whole, "EN").is_ok());
    assert!(edifact(whole.trim_end_matches('\''), "EN").is_ok());
    for (from, to, problem) in [
        (
            "UNT+5",
            "UNT+9",
            "segment 6: UNT 0074 (segments) is 9, but there are 5",
        ),
        (
            "QTY+145:1'",
            "",
            "segment 5: UNT 0074 (segments) is 5, but there are 4",
        ),
        (
            "UNT+5+1",
            "UNT+5+2",
            "segment 6: UNT 0062 is \"2\", but UNH 0062 is \"1\"",
        ),
        (
            "UNZ+1",
            "UNZ+2",
            "segment 7: UNZ 0036 (messages) is 2, but there are 1",
        ),
        (
            "UNZ+1+42",
            "UNZ+1+4",
            "segment 7: UNZ 0020 is \"4\", but UNB 0020 is \"42\"",
        ),
        (
            "UNZ+1+42'",
            "",
            "the document ends before the interchange does (UNZ): it is truncated",
        ),
        (
            "INVRPT",
            "ORDERS",
            "segment 2: the message is \"ORDERS\", expected \"INVRPT\"",
        ),
        (
            "BGM+35+1+9",
            "BGM+35+1+1",
            "segment 3: BGM 1225 is 1: the message is a cancellation, not a report of stock",
        ),
        (
            "1200+42'",
            "1200+42++++++1'",
            "segment 1: UNB 0035 is \"1\": the interchange is a test",
        ),
        ("LIN+1++A:EN'", "", "segment 4: QTY without a LIN before it"),
        (
            "A:EN'",
            "A:EN+1:1'",
            "segment 4: a sub-line is not supported",
        ),
        (
            "QTY+145:1'",
            "UNH+2+INVRPT'",
            "segment 5: UNH inside of a message",
        ),
        (
            "UNH+1+INVRPT:D:96A:UN'",
            "",
            "segment 2: BGM outside of a message",
        ),
    ] {
        let text = whole.replacen(from, to, 1);
        assert_ne!(text, whole, "{from}");
        assert_eq!(edifact(&text, "EN").unwrap_err(), problem, "{from} -> {to}");
    }
    assert_eq!(
        edifact("UNB+UNOC:3+A+B+261123:1200+1'UNZ+0+1'", "EN").unwrap_err(),
        "the interchange has no message"
    );
}

#[test]
fn groups_are_counted() {
    let message = "UNH+1+INVRPT:D:96A:UN'LIN+1++A:EN'QTY+145:1'UNT+4+1'";
    let text = format!(
        "UNB+UNOC:3+A+B+261123:1200+1'UNG+INVRPT+A+B+261123:1200+7+UN+D:96A'{message}UNE+1+7'UNZ+1+1'"
    );
    assert_eq!(
        edifact(&text, "EN").unwrap(),
        [r#"segment 4: Text("A") [Number("1")]"#]
    );
    for (from, to, problem) in [
        (
            "UNE+1",
            "UNE+2",
            "segment 7: UNE 0060 (messages) is 2, but there are 1",
        ),
        (
            "UNE+1+7",
            "UNE+1+8",
            "segment 7: UNE 0048 is \"8\", but UNG 0048 is \"7\"",
        ),
        (
            "UNZ+1",
            "UNZ+2",
            "segment 8: UNZ 0036 (groups) is 2, but there are 1",
        ),
        (
            "UNZ+1",
            "UNH+1+INVRPT'",
            "segment 8: UNH outside of a group",
        ),
    ] {
        let text = text.replacen(from, to, 1);
        assert_eq!(edifact(&text, "EN").unwrap_err(), problem, "{from} -> {to}");
    }
}

/// pydifact 0.2.3, `Interchange.serialize`: without UNA, with release characters.
#[test]
fn pydifact_writes_no_una() {
    let text = "UNB+UNOC:3+V+S+261130:1135+42'\nUNH+1+INVRPT:D:96A:UN'\nBGM+35+1+9'\nLIN+1++4006381333931:EN'\nPIA+1+A?+B?:C?'D??:SA'\nQTY+145:12:PCE'\nUNT+6+1'\nUNZ+1+42'\n";
    assert_eq!(
        edifact(text, "SA").unwrap(),
        [r#"segment 4: Text("A+B:C'D?") [Number("12")]"#]
    );
}

#[test]
fn bytes_are_read_in_the_repertoire_of_unb() {
    let latin = |identifier: &str, byte: u8| {
        let text = interchange("LIN+1++A_:EN'QTY+145:1'").replacen("UNOC", identifier, 1);
        let bytes: Vec<u8> = text
            .bytes()
            .map(|found| if found == b'_' { byte } else { found })
            .collect();
        let format: Edifact = edi("EN", &["145"]);
        let mut rules = sink();
        let read = format.read(Document::from_bytes(&bytes), &mut rules);
        read.is_ok()
    };
    assert!(latin("UNOC", 0xe9));
    assert!(latin("UNOE", 0xe9));
    // A repertoire of ASCII: other bytes are refused unless decode.charset states what they are.
    assert!(!latin("UNOA", 0xe9));
    assert!(!latin("UNOY", 0xe9));
}

#[test]
fn unit_of_measure_is_a_piece_unless_the_options_accept_it() {
    let values = |units: &[&str], quantity: &str| {
        let options = EdiOptions {
            units: units.iter().map(ToString::to_string).collect(),
            ..EdiOptions::default()
        };
        let format = Edifact::new(&options, &fields("EN", &["145"])).unwrap();
        let text = interchange(&format!("LIN+1++A:EN'QTY+145:{quantity}'QTY+198:9:KGM'"));
        let (records, _) = read(&format, &text).unwrap();
        records[0].split_once(" [").unwrap().1.to_owned()
    };
    for quantity in ["5", "5:", "5:PCE", "5:EA", "5:C62", "5:H87"] {
        assert_eq!(values(&[], quantity), r#"Number("5")]"#, "{quantity}");
    }
    assert_eq!(
        values(&[], "5:KGM"),
        r#"Other("5 of the unit KGM, which is not in format.units")]"#
    );
    assert_eq!(
        values(&["CT"], "5:KGM"),
        r#"Other("5 of the unit KGM, which is not in format.units")]"#
    );
    assert_eq!(values(&["CT", "KGM"], "5:KGM"), r#"Number("5")]"#);
    assert_eq!(values(&["CT"], "5:PCE"), r#"Number("5")]"#);
}
