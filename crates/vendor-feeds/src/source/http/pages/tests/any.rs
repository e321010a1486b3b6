//! Sequences of pages of any size.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn all_records_are_requested_exactly_once(total in 0_u64..60, size in 1_u64..12, with_total: bool, by_page: bool) {
        let full = total / size;
        let mut pages: Vec<Sent> = (0..full).map(|_| sent(size)).collect();
        // Without a total, only a page that is not full shows the end.
        if total % size > 0 || pages.is_empty() || !with_total {
            pages.push(sent(total % size));
        }
        for page in &mut pages {
            page.total = Some(total);
        }
        let kind = if by_page { by_number(size) } else { by_offset(size) };
        let urls = urls_of(kind, with_total, &pages).unwrap();
        prop_assert_eq!(urls.len(), pages.len());
        for (index, url) in urls.iter().enumerate() {
            let place = index as u64;
            let (param, value) = if by_page { ("page", place + 1) } else { ("offset", place * size) };
            let expected = format!("http://h/s?a=1&{param}={value}&limit={size}");
            prop_assert_eq!(url, &expected);
        }
    }

    #[test]
    fn no_sequence_of_pages_panics(pages in prop::collection::vec((0_u64..4, 0_u64..3, prop::option::of("[a-c]"), prop::option::of(0_u64..9)), 1..8), kind in 0_usize..5, with_total: bool) {
        let kind = [by_number(2), by_offset(2), by_cursor(), by_body(), PageKind::LinkHeader][kind].clone();
        let pages: Vec<Sent> = pages.into_iter().map(|(records, digest, next, total)| Sent {
            records,
            digest: Some(digest),
            next: next.map(|next| Value::Text(next.into())),
            total,
            links: Vec::new(),
        }).collect();
        let targets = targets();
        let options = PageOptions { kind, total: with_total.then(in_field) };
        let mut sequence = Sequence::new(&options, &targets);
        let mut url = sequence.first();
        let mut requested = HashSet::from([url.as_str().to_owned()]);
        for page in &pages {
            let content = PageContent {
                records: page.records,
                digest: page.digest.unwrap_or_default(),
                next: page.next.clone().unwrap_or(Value::Missing),
                total: page.total.map_or(Value::Missing, |total| Value::Number(total.to_string().into())),
            };
            let Ok(Some(next)) = sequence.after(&ReadPage { content: &content, links: &[], total: None, url: &url }) else { break };
            prop_assert!(requested.insert(next.as_str().to_owned()), "{} is requested twice", next);
            url = next;
        }
    }
}
