//! Files as programs write them, each as observed in November 2026.

use super::*;

#[test]
fn php_titles_that_end_in_a_backslash_and_a_quote_are_refused() {
    // PHP 8.2.36, fputcsv with its default escape character. csv 1.4.0, Python's csv, pandas 3.1.1 and polars 2.1.0 read A-1 with
    // the quantity 7, and no A-2.
    let text = "sku,title,qty\nA-0,Shirt,3\nA-1,\"TV 24\\\"\",5\nA-2,\"TV 32\\\"\",7\nA-3,Hat,9\n";
    assert_eq!(
        records(text).unwrap_err(),
        "line 3: the quoted field that begins here is followed by TV 32\\\"\",7 on line 4, expected ',' or the end of the line; \
         quotes in a quoted field must be doubled (PHP's fputcsv writes this after a backslash unless its escape character is \"\")"
    );
    // One such title.
    let text = "sku,title,qty\nA-1,\"TV 24\\\"\",5\nA-3,Hat,9\n";
    assert_eq!(
        records(text).unwrap_err(),
        "line 2: a quote is opened here and never closed"
    );
    // fputcsv with the escape character "".
    let text = "sku,title,qty\nA-1,\"TV 24\\\"\"\",5\n";
    assert_eq!(records(text).unwrap(), [record(2, "A-1", "5")]);
}

#[test]
fn null_of_mariadb_opens_a_quote() {
    // MariaDB 10.11.19, INTO OUTFILE … ESCAPED BY '"': csv and pandas read one row with the quantity of the next product.
    let text = "sku,qty,title\nA,5,\"N\nB,7,\"x\"\n";
    assert_eq!(
        records(text).unwrap_err(),
        "line 2: the quoted field that begins here is followed by x\" on line 3, expected ',' or the end of the line; quotes in a quoted field must be doubled"
    );
}

#[test]
fn python_csv() {
    // Python 3.11: QUOTE_MINIMAL, QUOTE_ALL and QUOTE_NONNUMERIC.
    let expected = [
        record(2, "0012", "5"),
        record(3, "A", "0"),
        record(5, "B", "7"),
        record(7, "C", ""),
    ];
    for (delimiter, text) in [
        (
            b',',
            "sku,title,qty\r\n0012,\"5\"\" TV, black\",5\r\nA,\"line\nbreak\",0\r\nB,\"a\rb\",7\r\nC,,\r\n",
        ),
        (
            b';',
            "\"sku\";\"title\";\"qty\"\r\n\"0012\";\"5\"\" TV, black\";\"5\"\r\n\"A\";\"line\nbreak\";\"0\"\r\n\
             \"B\";\"a\rb\";\"7\"\r\n\"C\";\"\";\"\"\r\n",
        ),
        (
            b',',
            "\"sku\",\"title\",\"qty\"\r\n\"0012\",\"5\"\" TV, black\",5\r\n\"A\",\"line\nbreak\",0\r\n\
             \"B\",\"a\rb\",7\r\n\"C\",\"\",\"\"\r\n",
        ),
    ] {
        assert_eq!(records_of(&csv(delimiter, 1), text).unwrap(), expected);
    }
    // With lineterminator="\n" a CR is not quoted.
    assert_eq!(
        records("sku,title,qty\n0012,\"5\"\" TV, black\",5\nA,\"line\nbreak\",0\nB,a\rb,7\nC,,\n")
            .unwrap_err(),
        "line 5: a carriage return outside of quotes, but the rows before it end with a line feed: it is not clear whether it ends the row"
    );
}

#[test]
fn pandas() {
    // pandas 3.1.1, to_csv: the first column is the index, without a name; the gap in a column of integers makes them decimals.
    let text = ",sku,qty,title\n0,0012,5.0,\"5\"\" TV, black\"\n1,A,,\n2,B,0.0,\"a\nb\"\n";
    assert_eq!(
        records(text).unwrap(),
        [
            record(2, "0012", "5.0"),
            record(3, "A", ""),
            record(4, "B", "0.0")
        ]
    );
}

#[test]
fn php() {
    // PHP 8.2.36, fputcsv: 12.0, null and false.
    let text = "sku,title,qty\n0012,\"5\"\" TV, black\",5\nA,\"line\nbreak\",0\nB,\"a\rb\",12\nC,,\nD,\"two words\",\n";
    assert_eq!(
        records(text).unwrap(),
        [
            record(2, "0012", "5"),
            record(3, "A", "0"),
            record(5, "B", "12"),
            record(7, "C", ""),
            record(8, "D", "")
        ]
    );
}

#[test]
fn sheetjs() {
    // SheetJS 0.18.5, sheet_to_csv: what a cell shows, so that a product id in a number cell has lost its digits.
    let text = "sku,qty,note\n0012,5,\n4.00638E+12,12,\nB-1,TRUE,\nN-1,,\nH-1,7,";
    assert_eq!(
        records(text).unwrap(),
        [
            record(2, "0012", "5"),
            record(3, "4.00638E+12", "12"),
            record(4, "B-1", "TRUE"),
            record(5, "N-1", ""),
            record(6, "H-1", "7")
        ]
    );
}
