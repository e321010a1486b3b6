//! Documents as programs write them. Each text is the output of the named version.

use super::*;

/// lxml 6.1.3: single quotes in the declaration; without a declaration ASCII with references.
#[test]
fn lxml() {
    let sku = "R&D \"1\" <é>\t\n";
    let expected = format!("item 1: Text({sku:?}) [Text(\"4\")]");
    let format = xml("/stock/item", "@sku", "qty");
    let ascii = "<stock><item sku=\"R&amp;D &quot;1&quot; &lt;&#233;&gt;&#9;&#10;\"><qty>4</qty><title>a ]]&gt; b &amp; &#233; &#13;\n</title></item></stock>";
    assert_eq!(
        records(&format, ascii).unwrap(),
        std::slice::from_ref(&expected)
    );
    let declared = "<?xml version='1.0' encoding='UTF-8'?>\n<stock>\n  <item sku=\"R&amp;D &quot;1&quot; &lt;é&gt;&#9;&#10;\">\n    <qty>4</qty>\n  </item>\n</stock>\n";
    assert_eq!(records(&format, declared).unwrap(), [expected]);
    // etree.CDATA("a]]>b") is two sections.
    let cdata = xml("/stock/item", "title", "qty");
    let text =
        "<stock><item><qty>4</qty><title><![CDATA[a]]]]><![CDATA[>b]]></title></item></stock>";
    assert_eq!(
        records(&cdata, text).unwrap(),
        [r#"item 1: Text("a]]>b") [Text("4")]"#]
    );
}

/// `ElementTree` of Python 3.11: prefixes of its own, no declaration.
#[test]
fn element_tree() {
    let text = "<ns0:stock xmlns:ns0=\"http://x/ns\"><ns0:item sku=\"A&amp;&quot;&#233;&#10;\"><ns0:qty> 5 </ns0:qty><ns0:none /></ns0:item></ns0:stock>";
    for items in ["/stock/item", "/{http://x/ns}stock/{http://x/ns}item"] {
        let format = xml(items, "@sku", "qty");
        assert_eq!(
            records(&format, text).unwrap(),
            [r#"item 1: Text("A&\"é\n") [Text(" 5 ")]"#]
        );
    }
    // minidom of the same Python writes the line break as it is: it is a blank to every reader (XML 1.0, 3.3.3).
    let text = "<?xml version=\"1.0\" ?>\n<stock>\n  <item sku=\"A&amp;&quot;é\n\">\n    <qty> 5 </qty>\n  </item>\n</stock>\n";
    assert_eq!(
        records(&xml("/stock/item", "@sku", "qty"), text).unwrap(),
        [r#"item 1: Text("A&\"é ") [Text(" 5 ")]"#]
    );
}

/// `XMLWriter` of PHP 8.2: `writeCdata` does not split `]]>`, so that its text is not the one that was given.
#[test]
fn php_xml_writer() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stock>\n <item sku=\"A&amp;&quot;&lt;é&gt;&#9;&#10;1\">\n  <qty>7</qty>\n  <title>a &quot;b&quot; 'c' ]]&gt; &amp; é</title>\n  <none></none>\n  <nul/>\n  <c><![CDATA[x ]]> y]]></c>\n </item>\n</stock>\n";
    let read = |quantity: &str| records(&xml("/stock/item", "@sku", quantity), text);
    assert_eq!(
        read("qty").unwrap(),
        [r#"item 1: Text("A&\"<é>\t\n1") [Text("7")]"#]
    );
    assert_eq!(
        read("title").unwrap()[0].split_once(" [").unwrap().1,
        r#"Text("a \"b\" 'c' ]]> & é")]"#
    );
    assert_eq!(read("c").unwrap_err(), "line 8: ]]> in a text");
}

/// `SimpleXML` and DOM of PHP 8.2: `addChild("sku", "R&D")` warns and writes an empty element; `true` is 1, `false` is empty.
#[test]
fn php_simple_xml() {
    let text = "<?xml version=\"1.0\"?>\n<stock><item a=\"R&amp;D\"><sku/><qty>4</qty><q2>4</q2><q3>1</q3><q4/></item></stock>\n";
    let format = xml_with_as_of("/stock/item", "sku", &["qty", "q3", "q4"], None);
    assert_eq!(
        records(&format, text).unwrap(),
        [r#"item 1: Text("") [Text("4"), Text("1"), Text("")]"#]
    );
}

/// Shapes of shops, written by hand after their documentation.
#[test]
fn shops() {
    // A product feed of Google Merchant Center (RSS 2.0).
    let rss = "<?xml version=\"1.0\"?>\n<rss xmlns:g=\"http://base.google.com/ns/1.0\" version=\"2.0\"><channel><title>x</title><link>y</link>\
        <item><g:id>TV_1</g:id><title>a</title><g:availability>in_stock</g:availability><g:sell_on_google_quantity>3</g:sell_on_google_quantity></item>\
        </channel></rss>";
    let format = xml_with_as_of(
        "/rss/channel/item",
        "{http://base.google.com/ns/1.0}id",
        &["availability"],
        None,
    );
    assert_eq!(
        records(&format, rss).unwrap(),
        [r#"item 1: Text("TV_1") [Text("in_stock")]"#]
    );
    // PrestaShop's web service: /api/stock_availables?display=full.
    let prestashop = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<prestashop xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n<stock_availables>\n\
        <stock_available>\n\t<id><![CDATA[1]]></id>\n\t<id_product xlink:href=\"http://shop/api/products/20\"><![CDATA[20]]></id_product>\n\t<quantity><![CDATA[7]]></quantity>\n</stock_available>\n\
        </stock_availables>\n</prestashop>\n";
    let format = xml(
        "/prestashop/stock_availables/stock_available",
        "id_product",
        "quantity",
    );
    assert_eq!(
        records(&format, prestashop).unwrap(),
        [r#"item 1: Text("20") [Text("7")]"#]
    );
    // BMEcat-like and warehouse-like nesting.
    let nested = "<STOCK><ARTICLE mode=\"new\"><SUPPLIER_AID>A</SUPPLIER_AID><WAREHOUSES><WAREHOUSE id=\"1\" qty=\"2\"/><WAREHOUSE id=\"2\" qty=\"3\"/></WAREHOUSES><TOTAL qty=\"5\"/></ARTICLE></STOCK>";
    let value =
        |quantity: &str| records(&xml("/STOCK/ARTICLE", "SUPPLIER_AID", quantity), nested).unwrap();
    assert_eq!(value("TOTAL/@qty"), [r#"item 1: Text("A") [Text("5")]"#]);
    assert_eq!(
        value("WAREHOUSES/WAREHOUSE/@qty"),
        [r#"item 1: Text("A") [Other("there more than once")]"#]
    );
}
