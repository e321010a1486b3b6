//! Interchanges with an X12 846.

use super::*;
use crate::options::{Duplicates, RuleOptions};
use crate::rules::{Refused, Rules};

/// An interchange with these segments in its transaction set; the count is right.
pub(super) fn interchange(segments: &str) -> String {
    let count = segments.matches('~').count() + 3;
    format!(
        "{ISA}GS*IB*VENDOR*SHOP*20261123*1200*7*X*004010~ST*846*0001~BIA*00*SI*1*20261123~{segments}SE*{count}*0001~GE*1*7~IEA*1*000000042~"
    )
}

fn x12(text: &str, quantities: &[&str]) -> Result<Vec<String>, String> {
    let format: X12 = edi("SK", quantities);
    read(&format, text).map(|(records, _)| records)
}

fn records(segments: &str) -> Vec<String> {
    x12(&interchange(segments), &["33"]).unwrap()
}

#[test]
fn a_line_is_a_record() {
    // As in the guide of Stedi for Dsco (846, 4010).
    let lines = "N1*SU*Vendor*92*1~LIN*1*SK*A-1*UP*012345678905~PID*F****Shoe~QTY*33*12*EA~QTY*17*15*EA~\
        LIN**UP*012345678912*SK*A-2~QTY*33*0~LIN**SK*A-3~QTY*17*4~CTT*3~";
    assert_eq!(
        records(lines),
        [
            r#"segment 6: Text("A-1") [Number("12")]"#,
            r#"segment 10: Text("A-2") [Number("0")]"#,
            r#"segment 12: Text("A-3") [Missing]"#,
        ]
    );
    assert_eq!(
        x12(&interchange(lines), &["17", "33"]).unwrap()[..2],
        [
            r#"segment 6: Text("A-1") [Number("15"), Number("12")]"#,
            r#"segment 10: Text("A-2") [Missing, Number("0")]"#,
        ]
    );
    assert_eq!(records(""), [""; 0]);
}

#[test]
fn quantities_of_several_locations_are_records_of_their_own() {
    assert_eq!(
        records("LIN**SK*A~QTY*33*1~N1*WH*East~QTY*33*2~LIN**SK*A~QTY*33*4~"),
        [
            r#"segment 5: Text("A") [Number("1")]"#,
            r#"segment 5: Text("A") [Number("2")]"#,
            r#"segment 9: Text("A") [Number("4")]"#,
        ]
    );
}

#[test]
fn rules_apply_to_lines() {
    let fields = fields("SK", &["33"]);
    let quantities = |segments: &str, duplicates| {
        let options = RuleOptions {
            duplicates,
            ..RuleOptions::default()
        };
        let mut rules = Rules::new(&fields, &options);
        let format = X12::new(&EdiOptions::default(), &fields).unwrap();
        let document = Document::from_text(&interchange(segments));
        format.read(document, &mut rules).unwrap();
        match rules.finish() {
            Ok(quantities) => Ok(quantities.into_values().collect::<Vec<u32>>()),
            Err(Refused::Records(refusals)) => Err(refusals.to_string()),
            Err(other) => panic!("{other:?}"),
        }
    };
    let twice = "LIN**SK*A~QTY*33*1~QTY*33*2~LIN**SK*A~QTY*33*4.0~";
    assert_eq!(quantities(twice, Duplicates::Sum).unwrap(), [7]);
    assert_eq!(quantities(twice, Duplicates::Last).unwrap(), [4]);
    assert_eq!(
        quantities(twice, Duplicates::Error).unwrap_err(),
        "segment 5: SK is \"A\", listed twice (rules.duplicates = \"sum\" would add the quantities, \"last\" would take the last); and 1 more record"
    );
    assert_eq!(
        quantities("LIN**SK*A~QTY*17*1~", Duplicates::Error).unwrap_err(),
        "segment 5: 33 is missing, expected a number"
    );
}

#[test]
fn values_are_not_converted() {
    for (segments, expected) in [
        ("LIN**SK*007~QTY*33*-3~", r#"Text("007") [Number("-3")]"#),
        ("LIN**SK*A~QTY*33*12.50~", r#"Text("A") [Number("12.50")]"#),
        ("LIN**SK*A~QTY*33*1,5~", r#"Text("A") [Other("1,5")]"#),
        ("LIN**SK*A~QTY*33*1.~", r#"Text("A") [Other("1.")]"#),
        ("LIN**SK*A~QTY*33*10+~", r#"Text("A") [Text("10+")]"#),
        ("LIN**SK*A~QTY*33~", r#"Text("A") [Text("")]"#),
        ("LIN**UP*A~QTY*33*1~", r#"Missing [Number("1")]"#),
        (
            "LIN**SK*A*SK*B~QTY*33*1~",
            r#"Other("there more than once") [Number("1")]"#,
        ),
        ("LIN**SK~QTY*33*1~", r#"Missing [Number("1")]"#),
        (
            "HL*1**I~LIN**SK*A~QTY*33*1~HL*2**I~LIN**SK*B~",
            r#"Text("A") [Number("1")]"#,
        ),
    ] {
        let found = &records(segments)[0];
        let (_, values) = found.split_once(": ").unwrap();
        assert_eq!(values, expected, "{segments}");
    }
}

#[test]
fn element_with_the_component_separator_is_not_cut() {
    for (segments, expected) in [
        (
            "LIN**SK*A>1~QTY*33*1~",
            r#"Other("A>1 with the component separator") [Number("1")]"#,
        ),
        (
            "LIN**SK*A~QTY*33*1>2~",
            r#"Text("A") [Other("1>2 with the component separator")]"#,
        ),
        ("LIN**SK>X*A~QTY*33>X*1~", "Missing [Missing]"),
        ("LIN**SK*A*UP*B>1~QTY*33*1~", r#"Text("A") [Number("1")]"#),
        // C001: the unit has an exponent and a multiplier.
        (
            "LIN**SK*A~QTY*33*5*EA>1>12~",
            r#"Text("A") [Other("5 of the unit EA>1>12, which is not in format.units")]"#,
        ),
    ] {
        let found = &records(segments)[0];
        let (_, values) = found.split_once(": ").unwrap();
        assert_eq!(values, expected, "{segments}");
    }
}

/// Asserts the problems of an interchange in which a text is replaced.
fn assert_problems(changes: &[(&str, &str, &str)]) {
    let whole = interchange("LIN**SK*A~QTY*33*1~");
    for (from, to, problem) in changes {
        let text = whole.replacen(from, to, 1);
        assert_ne!(text, whole, "{from}");
        assert_eq!(x12(&text, &["33"]).unwrap_err(), *problem, "{from} -> {to}");
    }
}

#[test]
fn envelope_must_be_right() {
    let whole = interchange("LIN**SK*A~QTY*33*1~");
    assert!(x12(&whole, &["33"]).is_ok());
    // The control number shows that nothing is missing behind it.
    assert!(x12(whole.trim_end_matches('~'), &["33"]).is_ok());
    assert!(x12(&whole.replace("IEA*1*000000042", "IEA*1*42"), &["33"]).is_ok());
    assert_problems(&[
        (
            "SE*5",
            "SE*9",
            "segment 7: SE01 (segments) is 9, but there are 5",
        ),
        (
            "QTY*33*1~",
            "",
            "segment 6: SE01 (segments) is 5, but there are 4",
        ),
        (
            "SE*5*0001",
            "SE*5*0002",
            "segment 7: SE02 is \"0002\", but ST02 is \"0001\"",
        ),
        (
            "GE*1",
            "GE*2",
            "segment 8: GE01 (transaction sets) is 2, but there are 1",
        ),
        (
            "GE*1*7",
            "GE*1*8",
            "segment 8: GE02 is \"8\", but GS06 is \"7\"",
        ),
        (
            "IEA*1*",
            "IEA*3*",
            "segment 9: IEA01 (groups) is 3, but there are 1",
        ),
        (
            "IEA*1*000000042",
            "IEA*1*",
            "segment 9: IEA02 is \"\", but ISA13 is \"000000042\"",
        ),
        (
            "IEA*1*000000042~",
            "",
            "the document ends before the interchange does (IEA): it is truncated",
        ),
        (
            "GE*1*7~IEA*1*000000042~",
            "",
            "the document ends before the interchange does (IEA): it is truncated",
        ),
    ]);
    let twice = format!("{whole}\n{whole}");
    assert_eq!(
        x12(&twice, &["33"]).unwrap_err(),
        "segment 10: ISA behind the end of the interchange"
    );
    let none = format!("{ISA}IEA*0*000000042~");
    assert_eq!(
        x12(&none, &["33"]).unwrap_err(),
        "the interchange has no transaction set"
    );
}

#[test]
fn what_is_no_report_is_named() {
    assert_problems(&[
        (
            "GS*IB",
            "GS*FA",
            "segment 2: GS01 is \"FA\", expected \"IB\" (an 846)",
        ),
        (
            "ST*846",
            "ST*852",
            "segment 3: ST01 is \"852\", expected \"846\" (an 846)",
        ),
        (
            "BIA*00",
            "BIA*01",
            "segment 4: BIA01 is 01: the message is a cancellation, not a report of stock",
        ),
        (
            "BIA*00",
            "BIA*28",
            "segment 4: BIA01 is 28: the message is a query, not a report of stock",
        ),
        (
            "*P*>",
            "*T*>",
            "segment 1: ISA15 is T: the interchange is a test",
        ),
        ("LIN**SK*A~", "", "segment 5: QTY without a LIN before it"),
        (
            "QTY*33*1~",
            "SLN*1*2~",
            "segment 6: a subline (SLN) is not supported",
        ),
        (
            "QTY*33*1~",
            "ST*846*0002~",
            "segment 6: ST inside of a transaction set",
        ),
        (
            "ST*846*0001~",
            "",
            "segment 3: BIA outside of a transaction set",
        ),
        (
            "GS*IB*VENDOR*SHOP*20261123*1200*7*X*004010~",
            "",
            "segment 2: ST outside of a group",
        ),
        // node-x12 1.7.1 writes separators in an id as they are.
        (
            "SK*A~",
            "SK*A*1~x*UP*1~",
            "segment 6: expected the name of a segment, found \"x*UP*1\"",
        ),
    ]);
}

#[test]
fn several_groups_and_transaction_sets_are_one_report() {
    let set = |number: u32, id: &str| {
        format!("ST*846*{number}~BIA*00*SI*1*20261123~LIN**SK*{id}~QTY*33*{number}~SE*5*{number}~")
    };
    let group = |number: u32, sets: &str, count: usize| {
        format!("GS*IB*V*S*20261123*1200*{number}*X*004010~{sets}GE*{count}*{number}~")
    };
    let text = format!(
        "{ISA}TA1*1~{}{}IEA*2*000000042~",
        group(1, &(set(1, "A") + &set(2, "B")), 2),
        group(2, &set(3, "C"), 1)
    );
    assert_eq!(
        x12(&text, &["33"]).unwrap(),
        [
            r#"segment 6: Text("A") [Number("1")]"#,
            r#"segment 11: Text("B") [Number("2")]"#,
            r#"segment 18: Text("C") [Number("3")]"#,
        ]
    );
}

/// pyx12 4.0.0, `X12Writer` with its line breaks: trailers are written by the library.
#[test]
fn pyx12_writes_a_line_break_behind_each_terminator() {
    let text = "ISA*00*          *00*          *ZZ*V              *ZZ*S              *261123*1200*U*00401*000000042*0*P*:~\nGS*IB*V*S*20261123*1200*7*X*004010~\nST*846*0001~\nBIA*00*SI*1*20261123~\nLIN**SK*A-1*UP*012345678905~\nQTY*33*12*EA~\nSE*5*0001~\nGE*1*7~\nIEA*1*000000042~\n";
    assert_eq!(
        x12(text, &["33"]).unwrap(),
        [r#"segment 5: Text("A-1") [Number("12")]"#]
    );
    // pyx12's own reader drops what follows an empty segment, and an unterminated last one, without an error.
    assert_eq!(
        x12(&text.replace("~\nQTY", "~~\nQTY"), &["33"]).unwrap_err(),
        "segment 6: expected the name of a segment, found \"\""
    );
}

#[test]
fn unit_of_measure_is_a_piece_unless_the_options_accept_it() {
    let text = interchange("LIN**SK*A~QTY*33*5*CT~QTY*17*5*LB~");
    let values = |units: &[&str]| {
        let options = EdiOptions {
            units: units.iter().map(ToString::to_string).collect(),
            ..EdiOptions::default()
        };
        let fields = fields("SK", &["33"]);
        let rules = RuleOptions::default();
        let mut rules = Rules::new(&fields, &rules);
        let format = X12::new(&options, &fields).unwrap();
        format.read(Document::from_text(&text), &mut rules).unwrap();
        match rules.finish() {
            Ok(quantities) => Ok(quantities.into_values().collect::<Vec<u32>>()),
            Err(Refused::Records(refusals)) => Err(refusals.to_string()),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(
        values(&[]).unwrap_err(),
        "segment 5: 33 is 5 of the unit CT, which is not in format.units, expected a number"
    );
    assert_eq!(values(&["CT"]).unwrap(), [5]);
}
