//! Sizes, and properties of any document.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn sizes_are_limited() {
    let long = "x".repeat(2 * 1024 * 1024);
    for text in [
        format!("<stock><!-- {long} --></stock>"),
        format!("<stock a='{long}'/>"),
        format!("<stock>\n<item><sku>{long}</sku></item></stock>"),
    ] {
        let problem = stock(&text).unwrap_err();
        assert!(
            problem.ends_with("a tag, a text or a comment is longer than 1048576 bytes"),
            "{problem}"
        );
    }
    let text = format!("<stock><item><sku>{}</sku></item></stock>", &long[..70_000]);
    assert_eq!(
        stock(&text).unwrap_err(),
        "line 1: a field is longer than 65536 bytes"
    );
    let deep = format!("<stock>{}", "<a>".repeat(1_000));
    assert_eq!(
        stock(&deep).unwrap_err(),
        "line 1: more than 128 elements inside each other"
    );
    let attributes: Vec<String> = (0..300).map(|number| format!("a{number}=''")).collect();
    let text = format!("<stock><item {}/></stock>", attributes.join(" "));
    let attribute = xml("/stock/item", "@sku", "qty");
    assert_eq!(
        records(&attribute, &text).unwrap_err(),
        "line 1: <item> has more than 256 attributes"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let format = xml_with_as_of("/a/b", "@c", &["d", "."], Some("/a/e"));
        let _ = format.read(Document::from_bytes(&bytes), &mut sink());
    }

    #[test]
    fn any_markup_is_read_without_a_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<a>", "</a>", "<b>", "</b>", "<b c='1'/>", "<d>", "</d>", "<d", ">", "<!--", "-->", "<![CDATA[", "]]>", "&", "amp;",
            "&#", "x41;", "<?", "?>", "<!DOCTYPE", " ", "=", "'", "xmlns:x='y'", "<x:b>", "é",
        ]), 0..24),
    ) {
        let format = xml_with_as_of("/a/b", "@c", &["d", "."], Some("/a/e"));
        let text: String = parts.concat();
        let _ = format.read(Document::from_text(&text), &mut sink());
    }

    #[test]
    fn written_texts_are_read_back(
        items in prop::collection::btree_map("[ -~äß€\u{1f600}\n\t]{1,12}", "[ -~é]{0,12}", 0..6),
    ) {
        use quick_xml::escape::escape;
        let items: BTreeMap<String, String> = items;
        let written: Vec<String> = items
            .iter()
            .map(|(sku, qty)| format!("<item>\n <sku>{}</sku><qty>{}</qty> </item>", escape(sku), escape(qty)))
            .collect();
        let expected: Vec<String> = items
            .iter()
            .zip(1..)
            .map(|((sku, qty), number)| format!("item {number}: Text({sku:?}) [Text({qty:?})]"))
            .collect();
        prop_assert_eq!(stock(&format!("<stock>{}</stock>", written.concat())).unwrap(), expected);
    }
}

#[test]
fn reading_stops_when_no_record_is_taken() {
    let mut first = First(0);
    let text = "<stock><item/><item/>not the end";
    let format = xml("/stock/item", "sku", "qty");
    let read = format.read(Document::from_text(text), &mut first);
    assert_eq!((read.unwrap(), first.0), (None, 1));
}
