//! The values at pointers equal those of `serde_json`.

use proptest::prelude::*;
use serde_json::Value as Tree;

use super::*;

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<u64>().prop_map(Tree::from),
        ".*".prop_map(Tree::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::from),
            prop::collection::btree_map("[ab/~\"\n]{0,2}", inner, 0..4)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

fn shown(value: Option<&Tree>) -> String {
    match value {
        None => "Missing".to_owned(),
        Some(Tree::String(text)) => format!("Text({text:?})"),
        Some(Tree::Number(number)) => format!("Number({:?})", number.to_string()),
        Some(other) => format!("Other({:?})", other.to_string()),
    }
}

proptest! {
    #[test]
    fn values_equal_those_of_serde_json(items in prop::collection::vec(tree(), 0..5), pointer in "(/(a|b|0|1|~1|~0|)){1,3}") {
        let document = Tree::from(items.clone()).to_string();
        let format = Json::new(&options("", JsonItems::List, None), &fields(&pointer, &[&pointer])).unwrap();
        let (records, _) = read(&format, &document).unwrap();
        let expected: Vec<String> = items.iter().enumerate().map(|(index, item)| {
            let value = shown(item.pointer(&pointer));
            format!("item {}: {value} [{value}]", index + 1)
        }).collect();
        prop_assert_eq!(records, expected);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-e\\\\u]{0,60}") {
        let _ = records(&text);
        let _ = records_at("/a", JsonItems::Map, &text);
    }
}
