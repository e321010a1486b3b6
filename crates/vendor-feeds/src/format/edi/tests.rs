//! Tests of the readers of X12 846 and EDIFACT INVRPT.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::format::tests::{fields, read, sink};
use crate::options::EdiAsOf;

mod as_of;
mod edifact_invrpt;
mod x12_846;

/// The segments as `name|element|component:component`, or the error.
fn segments<R: std::io::BufRead>(tokenizer: Result<Tokenizer<R>, FormatError>) -> Vec<String> {
    let shown = |segment: &Segment| {
        let element = |element| {
            let components = 0..segment.components(element);
            let components: Vec<_> = components
                .map(|component| segment.component(element, component))
                .collect();
            components.join(":")
        };
        let elements: Vec<String> = (0..=segment.elements()).map(element).collect();
        elements.join("|")
    };
    let mut found = Vec::new();
    let mut tokenizer = match tokenizer {
        Ok(tokenizer) => tokenizer,
        Err(error) => return vec![error.to_string()],
    };
    loop {
        match tokenizer.next_segment() {
            Ok(Some(segment)) => found.push(shown(segment)),
            Ok(None) => return found,
            Err(error) => {
                found.push(error.to_string());
                return found;
            }
        }
    }
}

fn edifact_segments(text: &str) -> Vec<String> {
    segments(Tokenizer::edifact(Cursor::new(text)))
}

/// A reader with these fields and no options.
fn edi<D: Dialect>(product_id: &str, quantities: &[&str]) -> Edi<D> {
    Edi::new(&EdiOptions::default(), &fields(product_id, quantities)).unwrap()
}

/// The as-of of a text for this code and zone, or the error.
fn as_of<D: Dialect>(text: &str, code: &str, zone: Option<&str>) -> Result<Timestamp, String> {
    let options = EdiOptions {
        as_of: Some(EdiAsOf {
            code: code.to_owned(),
            zone: zone.map(str::to_owned),
        }),
        units: Vec::new(),
    };
    let format = Edi::<D>::new(&options, &fields("SK", &["33"])).unwrap();
    let (_, as_of) = read(&format, text)?;
    Ok(as_of.unwrap())
}

fn timestamp(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn x12_segments(text: &str) -> Vec<String> {
    segments(Tokenizer::x12(Cursor::new(text)))
}

#[test]
fn edifact_is_split_by_una_or_the_defaults() {
    for (text, expected) in [
        (
            "UNB+UNOC:3+A'LIN+1++x:EN'",
            vec!["UNB|UNOC:3|A", "LIN|1||x:EN"],
        ),
        // pydifact 0.2.3 with break_lines=True ends each segment with a line break.
        (
            "\r\n UNB+UNOC:3'\r\n\r\nLIN+1'\n",
            vec!["UNB|UNOC:3", "LIN|1"],
        ),
        ("UNA:+,? '\nUNB+UNOC:3'LIN+1'", vec!["UNB|UNOC:3", "LIN|1"]),
        (
            "UNA|*,\\ ~UNB*UNOC|3~LIN*a\\*b\\|c\\~d\\\\~",
            vec!["UNB|UNOC:3", "LIN|a*b|c~d\\"],
        ),
        // No release character.
        ("UNA:+.  'UNB+UNOC:3'LIN+a?'", vec!["UNB|UNOC:3", "LIN|a?"]),
        (
            "UNB+UNOC:3'LIN+a?+b?:c?'d??'",
            vec!["UNB|UNOC:3", "LIN|a+b:c'd?"],
        ),
        (
            "UNB+UNOC:3'LIN+a???''LIN+é?é'",
            vec!["UNB|UNOC:3", "LIN|a?'", "LIN|éé"],
        ),
        (
            "UNB\u{1d}UNOB\u{1f}1\u{1c}LIN\u{1d}a?+'\u{1c}",
            vec!["UNB|UNOB:1", "LIN|a?+'"],
        ),
        (
            "UNB+UNOC:3'LIN'LIN+'LIN+:'",
            vec!["UNB|UNOC:3", "LIN", "LIN|", "LIN|:"],
        ),
        // The control number of the last segment shows whether it is whole.
        ("UNB+UNOC:3'UNZ+1+42\r\n", vec!["UNB|UNOC:3", "UNZ|1|42"]),
    ] {
        assert_eq!(edifact_segments(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_no_interchange_is_named() {
    for (text, problem) in [
        (
            "",
            "expected an EDIFACT interchange, which begins with UNA or UNB, found \"\"",
        ),
        (
            "<html>",
            "expected an EDIFACT interchange, which begins with UNA or UNB, found \"<htm\"",
        ),
        (
            "ISA*00*",
            "expected an EDIFACT interchange, which begins with UNA or UNB, found \"ISA*\"",
        ),
        ("UNA:+.", "segment 1: UNA is truncated"),
        ("UNA::.? 'UNB", "segment 1: ':' is two separators at once"),
        ("UNA:+.?  UNB", "segment 1: ' ' is not a separator"),
        ("UNA:A.? 'UNB", "segment 1: 'A' is not a separator"),
    ] {
        assert_eq!(edifact_segments(text), [problem], "{text:?}");
    }
    let long = format!("UNB+{}'", "x".repeat(70_000));
    for (text, problem) in [
        (
            "UNB+UNOC:3'LIN+1+",
            "segment 2: the document ends before the segment does: it is truncated",
        ),
        (
            "UNB+UNOC:3'LIN+1?'",
            "segment 2: the document ends before the segment does: it is truncated",
        ),
        (
            "UNB+UNOC:3''UNZ+1'",
            "segment 2: expected the name of a segment, found \"\"",
        ),
        (
            "UNB+UNOC:3'lin+1'",
            "segment 2: expected the name of a segment, found \"lin+1\"",
        ),
        (
            "UNB+UNOC:3'QT\nY+1'",
            "segment 2: expected the name of a segment, found \"QT\\nY+1\"",
        ),
        (long.as_str(), "segment 1: longer than 65536 bytes"),
    ] {
        assert_eq!(
            edifact_segments(text).last().unwrap(),
            problem,
            "{text:.40?}"
        );
    }
}

const ISA: &str = "ISA*00*          *00*          *ZZ*VENDOR         *ZZ*SHOP           *261123*1200*U*00401*000000042*0*P*>~";

#[test]
fn x12_is_split_by_the_fixed_positions_of_isa() {
    let isa = "ISA|00|          |00|          |ZZ|VENDOR         |ZZ|SHOP           |261123|1200|U|00401|000000042|0|P|>";
    assert_eq!(
        x12_segments(&format!("\n{ISA}\r\nLIN**SK*a?'+:^>b~\nIEA*1")),
        [isa, "LIN||SK|a?'+:^:b", "IEA|1"]
    );
    // A line break as the terminator.
    let lines = ISA.replace('~', "\r\n").replace('>', ":") + "LIN*x*y:z\r\n";
    assert_eq!(x12_segments(&lines)[1..], ["LIN|x|y:z"]);
    let unit = ISA.replace('*', "\u{1d}").replace('~', "\u{1c}") + "LIN\u{1d}x*y\u{1c}";
    assert_eq!(x12_segments(&unit)[1..], ["LIN|x*y"]);
    let unpadded = ISA.replace("VENDOR         ", "VENDOR") + &" ".repeat(20);
    let [no_terminator, letter] = ["*", "A"].map(|terminator| ISA.replace('~', terminator));
    for (text, problem) in [
        (
            "ST*846",
            "expected an X12 interchange, which begins with ISA, found \"ST*846\"",
        ),
        (
            "ISA",
            "segment 1: the elements of ISA do not have their fixed lengths",
        ),
        (
            &ISA[..105],
            "segment 1: the elements of ISA do not have their fixed lengths",
        ),
        (
            unpadded.as_str(),
            "segment 1: the elements of ISA do not have their fixed lengths",
        ),
        (
            no_terminator.as_str(),
            "segment 1: '*' is two separators at once",
        ),
        (letter.as_str(), "segment 1: 'A' is not a separator"),
    ] {
        assert_eq!(x12_segments(text), [problem], "{text:?}");
    }
}

#[test]
fn codes_are_checked() {
    let problem = |options: &EdiOptions, product_id: &str, quantities: &[&str]| {
        X12::new(options, &fields(product_id, quantities)).unwrap_err()
    };
    let none = EdiOptions::default();
    assert_eq!(
        problem(&none, "SK", &["/qty"]),
        "fields.quantity is \"/qty\", expected a code of up to three characters such as \"33\""
    );
    assert_eq!(
        problem(&none, "", &["33"]),
        "fields.product_id is \"\", expected a code of up to three characters such as \"SK\""
    );
    assert_eq!(
        problem(&none, "SK", &["33", "17", "33"]),
        "fields.quantity has the code \"33\" twice: its units would be added twice"
    );
    let units = EdiOptions {
        units: vec!["CT".to_owned(), "carton".to_owned()],
        ..EdiOptions::default()
    };
    assert_eq!(
        problem(&units, "SK", &["33"]),
        "format.units is \"carton\", expected a code of up to three characters such as \"CT\""
    );
    let as_of = |code: &str, zone: Option<&str>| EdiOptions {
        as_of: Some(EdiAsOf {
            code: code.to_owned(),
            zone: zone.map(str::to_owned),
        }),
        ..EdiOptions::default()
    };
    assert_eq!(
        problem(&as_of("/as_of", None), "SK", &["33"]),
        "format.as_of is \"/as_of\", expected a code of up to three characters such as \"137\""
    );
    assert_eq!(
        problem(&as_of("137", Some("Mars/Base")), "SK", &["33"]),
        "format.as_of_zone is \"Mars/Base\", which is not a time zone of this system's database"
    );
}

/// Writes a segment as EDIFACT.
fn written(elements: &[Vec<String>]) -> String {
    let escape = |text: &String| {
        let mut escaped = String::new();
        for char in text.chars() {
            if "+:'?".contains(char) {
                escaped.push('?');
            }
            escaped.push(char);
        }
        escaped
    };
    let elements: Vec<String> = elements
        .iter()
        .map(|components| components.iter().map(escape).collect::<Vec<_>>().join(":"))
        .collect();
    format!("LIN+{}'", elements.join("+"))
}

proptest! {
    #[test]
    fn any_bytes_are_split_without_a_panic(bytes: Vec<u8>) {
        for beginning in ["", "UNA:+.? '", "UNB+", ISA] {
            let text = [beginning.as_bytes(), &bytes].concat();
            segments(Tokenizer::edifact(Cursor::new(&text)));
            segments(Tokenizer::x12(Cursor::new(&text)));
            for format in [
                &edi::<x12::X12>("SK", &["33", "17"]) as &dyn Format,
                &edi::<edifact::Edifact>("SA", &["145"]),
            ] {
                let _ = format.read(Document::from_bytes(&text), &mut sink());
            }
        }
    }

    #[test]
    fn any_segments_are_read_without_a_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "UNH+1+INVRPT'", "LIN+1++A:EN'", "PIA+1+B:SA'", "QTY+145:1'", "INV+1'", "UNT+2+1'", "UNZ+1+1'", "UNG+1+2+3+4+5'",
            "UNE+1+5'", "BGM+35'", "+", ":", "'", "?", "UNB+UNOC:3+A+B+C+1'",
            "GS*IB*****7~", "ST*846*1~", "LIN**SK*A~", "QTY*33*1~", "HL*1~", "SE*4*1~", "GE*1*7~", "IEA*1*42~", "~", "*",
        ]), 0..16),
    ) {
        let text: String = parts.concat();
        let x12: X12 = edi("SK", &["33"]);
        let edifact: Edifact = edi("SA", &["145"]);
        let _ = read(&x12, &format!("{ISA}{text}"));
        let _ = read(&edifact, &format!("UNB+UNOC:3+A+B+C+1'{text}"));
    }

    #[test]
    fn written_segments_are_read_back(
        elements in prop::collection::vec(prop::collection::vec("[ -~é\n]{0,8}", 1..4), 1..6),
    ) {
        let text = format!("UNB+UNOC:3'{}\r\nUNZ+1'", written(&elements));
        let mut tokenizer = Tokenizer::edifact(Cursor::new(&text)).unwrap();
        tokenizer.next_segment().unwrap();
        let segment = tokenizer.next_segment().unwrap().unwrap();
        prop_assert_eq!(segment.elements(), elements.len());
        for (element, components) in (1..).zip(&elements) {
            prop_assert_eq!(segment.components(element), components.len());
            for (index, component) in components.iter().enumerate() {
                prop_assert_eq!(segment.component(element, index), component);
            }
        }
    }
}
