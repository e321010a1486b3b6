//! Tests of the field mapping and the rules.

use std::num::NonZeroU32;

use super::*;
use crate::options::{ProductIdField, QuantityField};
use crate::record::Unit;

fn fields() -> FieldOptions {
    FieldOptions {
        product_id: ProductIdField {
            column: Column::Name("SKU".to_owned()),
            trim: false,
            prefix: String::new(),
        },
        quantity: QuantityField {
            columns: vec![Column::Name("Qty".to_owned())],
            words: BTreeMap::new(),
            decimal: '.',
            thousands: None,
            trim: false,
        },
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

/// Applies the rules to records of a product id and quantities.
fn apply(
    fields: &FieldOptions,
    options: &RuleOptions,
    records: &[(Value<'_>, &[Value<'_>])],
) -> Result<Vec<(String, u32)>, Refused> {
    let mut rules = Rules::new(fields, options);
    for (number, (product_id, quantities)) in (1..).zip(records) {
        let place = Place {
            unit: Unit::Row,
            number,
        };
        let record = Record {
            place,
            product_id: product_id.clone(),
            quantities,
        };
        if rules.take(&record).is_break() {
            break;
        }
    }
    let quantities = rules.finish()?;
    Ok(quantities
        .into_iter()
        .map(|(id, units)| (id.into_string(), units))
        .collect())
}

fn refusal(
    fields: &FieldOptions,
    options: &RuleOptions,
    records: &[(Value<'_>, &[Value<'_>])],
) -> String {
    match apply(fields, options, records) {
        Err(Refused::Records(refusals)) => refusals.to_string(),
        other => panic!("expected refused records, got {other:?}"),
    }
}

#[test]
fn values_outside_the_rules_are_refused_with_the_setting_that_accepts_them() {
    for (value, message) in [
        (
            text("10+"),
            r#"row 1: Qty is "10+", which is not a number (fields.quantity.words can state what it means)"#,
        ),
        (
            text(" 4"),
            r#"row 1: Qty is " 4", which is not a number (fields.quantity.trim = true removes white space at the ends)"#,
        ),
        (
            text("13,75"),
            r#"row 1: Qty is "13,75", which is not a number (fields.quantity.decimal and .thousands state how numbers are written)"#,
        ),
        (
            text("1.5"),
            r#"row 1: Qty is "1.5", not an integer (rules.fraction = "floor" would round it down)"#,
        ),
        (
            text("-3"),
            r#"row 1: Qty is "-3", below 0 (rules.negative = "zero" would read it as 0)"#,
        ),
        (
            text("2147483648"),
            r#"row 1: Qty is "2147483648", more than 2147483647 units"#,
        ),
        (Value::Missing, "row 1: Qty is missing, expected a number"),
        (
            Value::Other("null".into()),
            "row 1: Qty is null, expected a number",
        ),
    ] {
        let records: [(Value<'_>, &[Value<'_>]); 1] = [(text("a"), &[value])];
        assert_eq!(
            refusal(&fields(), &RuleOptions::default(), &records),
            message
        );
    }
}

#[test]
fn rules_and_words_give_such_values_a_meaning() {
    let mut fields = fields();
    fields.quantity.words = BTreeMap::from([("10+".to_owned(), 10), ("Y".to_owned(), 5)]);
    fields.quantity.trim = true;
    let options = RuleOptions {
        duplicates: Duplicates::Error,
        negative: Negative::Zero,
        fraction: Fraction::Floor,
        max_rows: None,
    };
    let records: [(Value<'_>, &[Value<'_>]); 5] = [
        (text("a"), &[text("10+")]),
        (text("b"), &[text(" Y ")]),
        (text("c"), &[text("-3.5")]),
        (text("d"), &[text("1.9")]),
        (text("e"), &[Value::Number("4.0".into())]),
    ];
    let expected = [("a", 10), ("b", 5), ("c", 0), ("d", 1), ("e", 4)]
        .map(|(id, units)| (id.to_owned(), units));
    assert_eq!(apply(&fields, &options, &records), Ok(expected.to_vec()));
}

#[test]
fn product_ids_are_text() {
    let mut fields = fields();
    let options = RuleOptions::default();
    let one: &[Value<'_>] = &[Value::Number("1".into())];
    let records = [
        (text("0012"), one),
        (Value::Number("4006381333931".into()), one),
    ];
    let read = apply(&fields, &options, &records).unwrap();
    assert_eq!(
        read,
        [("0012".to_owned(), 1), ("4006381333931".to_owned(), 1)]
    );
    for (value, message) in [
        (
            Value::Number("1.5".into()),
            "row 1: SKU is 1.5, expected a text or an integer",
        ),
        (
            Value::Missing,
            "row 1: SKU is missing, expected a text or an integer",
        ),
        (
            text(""),
            r#"row 1: SKU is "", a product id must not be blank"#,
        ),
        (
            text("a "),
            r#"row 1: SKU is "a ", a product id must not begin or end with white space (fields.product_id.trim = true removes it)"#,
        ),
    ] {
        assert_eq!(refusal(&fields, &options, &[(value, one)]), message);
    }
    fields.product_id.trim = true;
    fields.product_id.prefix = "acme-".to_owned();
    let read = apply(&fields, &options, &[(text(" 7 "), one)]).unwrap();
    assert_eq!(read, [("acme-7".to_owned(), 1)]);
}

#[test]
fn a_second_record_of_a_product_is_refused_added_or_last() {
    let records: [(Value<'_>, &[Value<'_>]); 2] =
        [(text("a"), &[text("2")]), (text("a"), &[text("3")])];
    let with = |duplicates| RuleOptions {
        duplicates,
        ..RuleOptions::default()
    };
    assert_eq!(
        refusal(&fields(), &with(Duplicates::Error), &records),
        r#"row 2: SKU is "a", listed twice (rules.duplicates = "sum" would add the quantities, "last" would take the last)"#
    );
    for (duplicates, units) in [(Duplicates::Sum, 5), (Duplicates::Last, 3)] {
        let read = apply(&fields(), &with(duplicates), &records);
        assert_eq!(read, Ok(vec![("a".to_owned(), units)]));
    }
}

#[test]
fn fields_are_added_and_named_by_name_or_number() {
    let mut fields = fields();
    fields.quantity.columns = vec![
        Column::Name("Main".to_owned()),
        Column::Number(NonZeroU32::new(4).unwrap()),
    ];
    let options = RuleOptions::default();
    let read = apply(&fields, &options, &[(text("a"), &[text("2"), text("3")])]);
    assert_eq!(read, Ok(vec![("a".to_owned(), 5)]));
    assert_eq!(
        refusal(&fields, &options, &[(text("a"), &[text("2"), text("")])]),
        r#"row 1: column 4 is "", which is not a number (fields.quantity.words can state what it means)"#
    );
    let most = text("2147483647");
    assert_eq!(
        refusal(&fields, &options, &[(text("a"), &[most, text("1")])]),
        r#"row 1: column 4 is "1", more than 2147483647 units"#
    );
}

#[test]
fn the_first_refused_records_are_kept_and_all_are_counted() {
    let one: &[Value<'_>] = &[text("x")];
    let records = vec![(text("a"), one); 30];
    let Err(Refused::Records(refusals)) = apply(&fields(), &RuleOptions::default(), &records)
    else {
        panic!("expected refused records");
    };
    assert_eq!((refusals.kept().len(), refusals.count()), (20, 30));
    assert_eq!(refusals.kept()[19].place, "row 20");
    assert!(refusals.to_string().ends_with("; and 29 more records"));
}

#[test]
fn records_beyond_max_rows_end_the_document() {
    let one: &[Value<'_>] = &[text("1")];
    let records = [(text("a"), one), (text("b"), one), (text("c"), one)];
    let with = |max_rows| RuleOptions {
        max_rows,
        ..RuleOptions::default()
    };
    assert_eq!(
        apply(&fields(), &with(Some(2)), &records),
        Err(Refused::TooMany(2))
    );
    assert_eq!(apply(&fields(), &with(Some(3)), &records).unwrap().len(), 3);
}
