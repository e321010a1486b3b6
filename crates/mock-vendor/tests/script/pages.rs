//! Reports in pages.

use serde_json::Value;

use super::{get, header, ids, json, response, status, vendor};

#[tokio::test]
async fn linked_pages_lead_to_the_last_one() {
    let vendor = vendor("pages = { type = 'link_header', size = 2 }");
    let first = response(&vendor).await;
    let link = header(first.headers(), "link").unwrap().to_owned();
    let url = vendor.url().unwrap();
    assert_eq!(link, format!("<{url}?page=2>; rel=\"next\""));
    let second = get(&format!("{url}?page=2")).send().await.unwrap();
    assert_eq!(header(second.headers(), "link"), None);
    let page: Value = serde_json::from_slice(&second.bytes().await.unwrap()).unwrap();
    assert_eq!(ids(&page, ""), "C");

    for (pages, pointer) in [
        ("type = 'link_body', next = '/links/next'", "/links/next"),
        ("type = 'cursor', next = '/next', param = 'c'", "/next"),
    ] {
        let vendor = super::vendor(&format!(
            "format = {{ type = 'json', items = '/items' }}\npages = {{ {pages}, size = 2, total = '/total' }}"
        ));
        let url = vendor.url().unwrap();
        let first = json(get(&url)).await;
        assert_eq!(ids(&first, "/items"), "AB");
        assert_eq!(first["total"], 3);
        let next = first.pointer(pointer).unwrap().as_str().unwrap();
        let next = if pointer == "/next" {
            format!("{url}?c={next}")
        } else {
            next.to_owned()
        };
        let second = json(get(&next)).await;
        assert_eq!(ids(&second, "/items"), "C");
        assert_eq!(second.pointer(pointer), Some(&Value::Null));
    }
}

#[tokio::test]
async fn numbered_pages_have_at_most_their_size() {
    for (pages, cases) in [
        (
            "type = 'page', first = 0, size = 2, size_param = 'per_page'",
            [
                ("", "AB"),
                ("?page=1", "C"),
                ("?page=2", ""),
                ("?page=2&per_page=1", "C"),
            ],
        ),
        (
            "type = 'offset', size = 2, size_param = 'limit'",
            [
                ("", "AB"),
                ("?offset=1", "BC"),
                ("?offset=3", ""),
                ("?offset=0&limit=99", "AB"),
            ],
        ),
    ] {
        let vendor = vendor(&format!("pages = {{ {pages} }}"));
        let url = vendor.url().unwrap();
        for (query, expected) in cases {
            let page = json(get(&format!("{url}{query}"))).await;
            assert_eq!(ids(&page, ""), expected, "{pages} {query}");
        }
        let wrong = url.clone() + "?page=x&offset=x";
        assert_eq!(status(get(&wrong)).await, 400);
    }
}

#[tokio::test]
async fn faults_of_pages_contradict_the_other_pages() {
    let paged = |fault: &str| {
        vendor(&format!(
            "format = {{ type = 'json', items = '/items' }}\n\
             pages = {{ type = 'cursor', next = '/next', size = 2, total = '/total' }}\n\
             [[vendors.steps]]\nfault = {{ kind = '{fault}' }}"
        ))
    };
    for (fault, first, second) in [
        ("same_page", ("AB", "after-0", 3), ("C", "after-2", 3)),
        ("changed_total", ("AB", "after-2", 3), ("C", "null", 4)),
        ("short_page", ("A", "after-2", 3), ("C", "null", 3)),
    ] {
        let vendor = paged(fault);
        let url = vendor.url().unwrap();
        for (query, (expected, next, total)) in [("", first), ("?cursor=after-2", second)] {
            let page = json(get(&format!("{url}{query}"))).await;
            assert_eq!(ids(&page, "/items"), expected, "{fault} {query}");
            let found = page["next"].as_str().unwrap_or("null");
            assert_eq!(found, next, "{fault} {query}");
            assert_eq!(page["total"], total, "{fault} {query}");
        }
    }
}
