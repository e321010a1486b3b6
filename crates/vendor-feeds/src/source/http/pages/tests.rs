//! Sequences of pages that vendors send: whole, and inconsistent.

mod any;

use std::sync::Arc;

use super::*;
use crate::source::address::AddressRules;

fn targets() -> Targets {
    let first: Url = "http://h/s?a=1".parse().unwrap();
    Targets::new(first, Vec::new(), Arc::new(AddressRules::default()), None)
}

fn size(records: u64) -> PageSize {
    PageSize {
        records,
        param: Some("limit".to_owned()),
    }
}

fn by_number(records: u64) -> PageKind {
    PageKind::Number {
        param: "page".to_owned(),
        first: 1,
        size: size(records),
    }
}

fn by_offset(records: u64) -> PageKind {
    PageKind::Offset {
        param: "offset".to_owned(),
        is_combined: false,
        size: size(records),
    }
}

fn by_cursor() -> PageKind {
    PageKind::Cursor {
        next: "/next".to_owned(),
        param: "after".to_owned(),
    }
}

fn by_body() -> PageKind {
    PageKind::LinkBody {
        next: "/next".to_owned(),
    }
}

/// A page with a number of records, a value at `next`, and a total.
#[derive(Debug, Clone, Default)]
struct Sent {
    records: u64,
    digest: Option<u64>,
    next: Option<Value<'static>>,
    total: Option<u64>,
    links: Vec<&'static str>,
}

fn sent(records: u64) -> Sent {
    Sent {
        records,
        ..Sent::default()
    }
}

fn text(text: &'static str) -> Value<'static> {
    Value::Text(text.into())
}

fn other(shown: &'static str) -> Value<'static> {
    Value::Other(shown.into())
}

fn in_field() -> PageTotal {
    PageTotal::Field("/total".to_owned())
}

/// Returns the URLs that are requested if the vendor sends these pages, or the problem of the last one.
fn urls_of(kind: PageKind, with_total: bool, pages: &[Sent]) -> Result<Vec<String>, String> {
    let targets = targets();
    let options = PageOptions {
        kind,
        total: with_total.then(in_field),
    };
    let mut sequence = Sequence::new(&options, &targets);
    let mut url = sequence.first();
    let mut urls = vec![url.as_str().to_owned()];
    for (index, page) in pages.iter().enumerate() {
        let content = PageContent {
            records: page.records,
            digest: page.digest.unwrap_or(index as u64),
            next: page.next.clone().unwrap_or(Value::Missing),
            total: page.total.map_or(Value::Missing, |total| {
                Value::Number(total.to_string().into())
            }),
        };
        let links: Vec<String> = page.links.iter().map(ToString::to_string).collect();
        let read = ReadPage {
            content: &content,
            links: &links,
            total: None,
            url: &url,
        };
        let Some(next) = sequence.after(&read)? else {
            assert_eq!(index, pages.len() - 1, "pages after the last one");
            return Ok(urls);
        };
        urls.push(next.as_str().to_owned());
        url = next;
    }
    Err("more pages are expected".to_owned())
}

#[test]
fn pages_are_requested_until_the_last_one() {
    let numbered = [
        "http://h/s?a=1&page=1&limit=2",
        "http://h/s?a=1&page=2&limit=2",
        "http://h/s?a=1&page=3&limit=2",
    ];
    assert_eq!(
        urls_of(by_number(2), false, &[sent(2), sent(2), sent(1)]).unwrap(),
        numbered
    );
    assert_eq!(
        urls_of(by_number(2), false, &[sent(2), sent(2), sent(0)]).unwrap(),
        numbered
    );
    assert_eq!(
        urls_of(by_number(2), false, &[sent(0)]).unwrap(),
        numbered[..1]
    );
    assert_eq!(
        urls_of(by_offset(2), false, &[sent(2), sent(2), sent(1)]).unwrap(),
        [
            "http://h/s?a=1&offset=0&limit=2",
            "http://h/s?a=1&offset=2&limit=2",
            "http://h/s?a=1&offset=4&limit=2",
        ]
    );
}

#[test]
fn cursors_and_links_are_followed_until_there_is_none() {
    for last in [
        None,
        Some(text("")),
        Some(other("null")),
        Some(other("false")),
    ] {
        let pages = [
            Sent {
                next: Some(text("x y")),
                ..sent(1)
            },
            Sent {
                next: Some(Value::Number("7".into())),
                ..sent(0)
            },
            Sent {
                next: last.clone(),
                ..sent(1)
            },
        ];
        let urls = urls_of(by_cursor(), false, &pages).unwrap();
        let expected = [
            "http://h/s?a=1",
            "http://h/s?a=1&after=x+y",
            "http://h/s?a=1&after=7",
        ];
        assert_eq!(urls, expected, "{last:?}");
        let pages = [
            Sent {
                next: Some(text("/t?p=2")),
                ..sent(1)
            },
            Sent {
                next: Some(text("?p=3")),
                ..sent(1)
            },
            Sent {
                next: last.clone(),
                ..sent(1)
            },
        ];
        let urls = urls_of(by_body(), false, &pages).unwrap();
        assert_eq!(urls, ["http://h/s?a=1", "http://h/t?p=2", "http://h/t?p=3"]);
    }
    let pages = [
        Sent {
            links: vec!["?p=2", "?p=2"],
            ..sent(1)
        },
        sent(1),
    ];
    let urls = urls_of(PageKind::LinkHeader, false, &pages).unwrap();
    assert_eq!(urls, ["http://h/s?a=1", "http://h/s?p=2"]);
}

#[test]
fn stated_total_ends_the_report() {
    let page = |records| Sent {
        total: Some(4),
        next: Some(text("c")),
        ..sent(records)
    };
    for kind in [by_number(2), by_offset(2), by_cursor()] {
        assert_eq!(urls_of(kind, true, &[page(2), page(2)]).unwrap().len(), 2);
    }
    let empty = Sent {
        total: Some(0),
        ..sent(0)
    };
    assert_eq!(urls_of(by_number(2), true, &[empty]).unwrap().len(), 1);
}

fn next(next: &'static str) -> Sent {
    Sent {
        next: Some(text(next)),
        ..sent(1)
    }
}

fn of_total(records: u64, total: u64) -> Sent {
    Sent {
        total: Some(total),
        ..sent(records)
    }
}

fn refused(kind: PageKind, with_total: bool, pages: &[Sent]) -> String {
    urls_of(kind, with_total, pages).unwrap_err()
}

#[test]
fn inconsistent_links_and_cursors_are_refused() {
    for (problem, expected) in [
        (
            refused(by_cursor(), false, &[next("c"), next("d"), next("c")]),
            "the cursor of the next page is that of an earlier page: c (source.pages.param is after)",
        ),
        (
            refused(by_body(), false, &[next("?p=2"), next("?p=2")]),
            "the link to the next page is that of an earlier page",
        ),
        (
            refused(by_body(), false, &[next("?a=1")]),
            "the link to the next page is that of an earlier page",
        ),
        (
            refused(by_body(), false, &[next("//evil/")]),
            "the link to the next page leads to the host evil, which source.redirect_hosts does not name",
        ),
        (
            refused(
                by_body(),
                false,
                &[Sent {
                    next: Some(Value::Number("2".into())),
                    ..sent(1)
                }],
            ),
            "source.pages.next is 2, expected a link",
        ),
        (
            refused(
                by_cursor(),
                false,
                &[Sent {
                    next: Some(other("{}")),
                    ..sent(1)
                }],
            ),
            "source.pages.next is {}, expected a text",
        ),
        (
            refused(
                PageKind::LinkHeader,
                false,
                &[Sent {
                    links: vec!["?p=2", "?p=3"],
                    ..sent(1)
                }],
            ),
            "the header Link has several links with the relation next",
        ),
    ] {
        assert_eq!(problem, expected);
    }
}

#[test]
fn inconsistent_counts_are_refused() {
    for (problem, expected) in [
        (
            refused(by_number(2), false, &[sent(3)]),
            "it has 3 records, more than source.pages.size, which is 2",
        ),
        (
            refused(
                by_number(2),
                false,
                &[
                    sent(2),
                    Sent {
                        digest: Some(0),
                        ..sent(2)
                    },
                ],
            ),
            "it has the same records as an earlier page: the vendor ignores \"page\" (source.pages.param) or repeats its last page \
             (source.pages.total states where the report ends)",
        ),
        (
            refused(
                by_number(2),
                false,
                &[Sent {
                    links: vec!["?page=2"],
                    ..sent(1)
                }],
            ),
            "it has 1 records, fewer than source.pages.size, which is 2, but the header Link has the relation next",
        ),
        (
            refused(by_offset(2), true, &[of_total(2, 5), of_total(1, 5)]),
            "it has 1 records, fewer than source.pages.size, which is 2, but 3 of 5 records were read",
        ),
        (
            refused(by_offset(2), true, &[of_total(2, 5), of_total(2, 6)]),
            "the number of records changed from 5 to 6 (source.pages.total): the report changed while it was read",
        ),
        (
            refused(by_offset(2), true, &[of_total(2, 3), of_total(2, 3)]),
            "there are 4 records so far, more than the stated 3 (source.pages.total)",
        ),
        (
            refused(by_cursor(), true, &[of_total(2, 3)]),
            "it is the last page, after 2 of 3 records (source.pages.total)",
        ),
        (
            refused(by_offset(2), true, &[sent(2)]),
            "source.pages.total is missing, expected a number of records",
        ),
    ] {
        assert_eq!(problem, expected);
    }
}

#[test]
fn number_of_pages_and_length_of_a_cursor_are_bounded() {
    let pages = vec![sent(1); usize::try_from(MAX_PAGES).unwrap()];
    let problem = urls_of(by_number(1), false, &pages).unwrap_err();
    assert_eq!(problem, "there are more than 10000 pages, the maximum");
    let long = "c".repeat(MAX_CURSOR_BYTES + 1);
    let page = Sent {
        next: Some(Value::Text(long.into())),
        ..sent(1)
    };
    let problem = urls_of(by_cursor(), false, &[page]).unwrap_err();
    assert_eq!(problem, "the cursor is longer than 4096 bytes");
}
