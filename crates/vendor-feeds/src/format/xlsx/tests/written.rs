//! A table that is written is read back.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Cell {
    Empty,
    Number(i64),
    Inline(String),
    Shared(String),
}

fn cell() -> impl Strategy<Value = Cell> {
    let text = "[a-zA-Z0-9 <>&\"'äß€😀_;,.+-]{0,8}[a-z0-9<&€]";
    let limit = (1_i64 << 53) - 1;
    prop_oneof![
        Just(Cell::Empty),
        (-limit..=limit).prop_map(Cell::Number),
        text.prop_map(Cell::Inline),
        text.prop_map(Cell::Shared),
    ]
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!(r#"<t xml:space="preserve">{text}</t>"#)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn table_is_read_back(table in prop::collection::vec((cell(), cell()), 0..30), has_places in any::<bool>()) {
        let mut texts = Vec::new();
        let mut rows = HEADER.to_owned();
        let mut expected = Vec::new();
        for (row, (id, quantity)) in (2..).zip(&table) {
            write!(rows, r#"<row r="{row}">"#).unwrap();
            let mut shown = Vec::new();
            for (letter, cell) in [("A", id), ("B", quantity)] {
                let place = if has_places { format!(r#" r="{letter}{row}""#) } else { String::new() };
                let (xml, value) = match cell {
                    Cell::Empty => (format!("<c{place}/>"), Value::Text("".into())),
                    Cell::Number(number) => (
                        format!("<c{place}><v>{number}</v></c>"),
                        Value::Number(number.to_string().into()),
                    ),
                    Cell::Inline(text) => (
                        format!(r#"<c{place} t="inlineStr"><is>{}</is></c>"#, escaped(text)),
                        Value::Text(text.into()),
                    ),
                    Cell::Shared(text) => {
                        texts.push(escaped(text));
                        let index = texts.len() - 1;
                        (format!(r#"<c{place} t="s"><v>{index}</v></c>"#), Value::Text(text.into()))
                    }
                };
                rows.push_str(&xml);
                shown.push(format!("{value:?}"));
            }
            rows.push_str("</row>");
            if !matches!((id, quantity), (Cell::Empty, Cell::Empty)) {
                expected.push(format!("row {row}: {} [{}]", shown[0], shown[1]));
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let workbook = one_sheet(&rows, &texts);
        prop_assert_eq!(records_of(&xlsx(None, 1), &workbook).unwrap(), expected);
    }
}
