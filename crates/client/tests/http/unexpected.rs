//! For any response, each method returns a result and does not panic.

use std::sync::LazyLock;
use std::time::Duration;

use client::{Client, ClientError, NewOrder, OrderFilter, OrderStatus, PlaceOptions, StockFilter};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::canned::{Canned, is_unexpected, json, problem, response};

#[tokio::test]
async fn response_outside_the_contract_is_unexpected() {
    let bare_problem = response(500, "", "application/problem+json", "no JSON");
    let redirect = response(302, "Location: http://127.0.0.1:1/\r\n", "text/html", "");
    for (invalid, status) in [
        (json(200, "{}"), 200),
        (json(200, "no JSON"), 200),
        (json(204, ""), 204),
        (json(404, "{}"), 404),
        (response(404, "", "text/html", "<h1>nginx</h1>"), 404),
        (redirect, 302),
        (bare_problem, 500),
    ] {
        let canned = Canned::start(vec![invalid]).await;
        let error = canned.client().stock("a").await.unwrap_err();
        assert!(is_unexpected(&error), "{error:?}");
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.problem(), None);
    }
    let untagged = json(200, &crate::canned::order(1, "PENDING"));
    let canned = Canned::start(vec![untagged]).await;
    let error = canned.client().order(1).await.unwrap_err();
    assert!(error.to_string().contains("ETag"), "{error}");
}

#[tokio::test]
async fn refused_connection_is_no_response() {
    let client = Client::new("http://127.0.0.1:1").unwrap();
    let error = client.order(1).await.unwrap_err();
    assert!(matches!(error, ClientError::NoResponse(_)), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(error.status(), None);
}

fn body() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"items\":[",
        "\"order\":",
        "\"problem\":",
        "\"status\":",
        "\"PENDING\"",
        "\"id\":1",
        "\"next_cursor\":",
        "\"type\":",
        "\"errors\":[",
        "\"pointer\":\"\"",
        "1",
        "-1",
        "1e999",
        "null",
        "\"\\ud800\"",
        "\n",
        "\n\n",
        "\r",
        "\u{feff}",
    ]);
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(vec![
        "200", "201", "202", "204", "207", "301", "304", "404", "422", "503", "999", "20", "x",
    ]);
    let media_type = prop::sample::select(vec![
        "application/json",
        "application/problem+json",
        "application/x-ndjson",
        "text/html",
        "",
    ]);
    let header = prop::sample::select(vec![
        "",
        "ETag: \"a\"\r\n",
        "ETag: \u{ff}\r\n",
        "Retry-After: 99999999999999999999\r\n",
        "Content-Length: 3\r\n",
        "Content-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\n",
        "broken\r\n",
    ]);
    let built = (status, media_type, header, body()).prop_map(|(status, media_type, header, body)| {
        format!("HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\n{header}Connection: close\r\n\r\n{body}").into_bytes()
    });
    prop_oneof![9 => built, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

async fn call_each_method(response: &[u8]) {
    let canned = Canned::start(vec![response.to_vec(); 8]).await;
    let client = Client::builder(&canned.url).timeout(Duration::from_secs(5));
    let client = client.build().unwrap();
    let order = NewOrder::new("a", 1);
    let _ = client.place(&order, &PlaceOptions::default()).await;
    let _ = client.place_batch(std::slice::from_ref(&order), None).await;
    let _ = client.order(1).await;
    let _ = client.change_status(1, OrderStatus::Cancelled, None).await;
    let _ = client.orders(OrderFilter::default()).next().await;
    let _ = client.vendors().next().await;
    let _ = client.sync_vendor("a").await;
    if let Ok(mut lines) = client.stock_lines(StockFilter::default()).await {
        while let Ok(Some(_)) = lines.next().await {}
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_responses_neither_panic_nor_hang(response in bytes()) {
        let ended = run(async {
            tokio::time::timeout(Duration::from_mins(1), call_each_method(&response)).await
        });
        prop_assert!(ended.is_ok(), "a method does not return");
    }

    #[test]
    fn status_is_known_for_arbitrary_problem_members(members in "[ -~]{0,30}") {
        run(async {
            let canned = Canned::start(vec![problem(409, "illegal-transition", "", &members)]).await;
            let error = canned.client().order(1).await.unwrap_err();
            assert_eq!(error.status(), Some(409));
        });
    }
}
