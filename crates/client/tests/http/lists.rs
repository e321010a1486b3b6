//! Lists as pages and as lines.

use client::{OrderFilter, OrderStatus, StockFilter};

use crate::canned::{Canned, is_unexpected, json, order, order_line, problem, response};

fn page(ids: &[i64], next: &str) -> Vec<u8> {
    let orders: Vec<String> = ids.iter().map(|id| order(*id, "PENDING")).collect();
    let orders = orders.join(",");
    let body = format!(r#"{{"items": [{orders}], "next_cursor": {next}}}"#);
    json(200, &body)
}

#[tokio::test]
async fn items_span_all_pages_and_a_failed_page_is_requested_again() {
    let canned = Canned::start(vec![
        page(&[5, 4], r#""c 1""#),
        problem(503, "unavailable", "", ""),
        page(&[3], r#""c 2""#),
        page(&[], "null"),
    ])
    .await;
    let filter = OrderFilter {
        status: Some(OrderStatus::Pending),
        product_id: Some("a&b".to_owned()),
    };
    let mut orders = canned.client().orders(filter);
    assert_eq!(orders.next().await.unwrap().unwrap().id, 5);
    assert_eq!(orders.next().await.unwrap().unwrap().id, 4);
    assert!(orders.next().await.is_err());
    assert_eq!(orders.next().await.unwrap().unwrap().id, 3);
    assert_eq!(orders.next().await.unwrap(), None);
    assert_eq!(orders.next().await.unwrap(), None);
    let filter = "/api/v1/orders?status=PENDING&product_id=a%26b&limit=1000";
    let requests = canned.requests();
    let lines = requests.iter().map(|it| it.split(' ').nth(1).unwrap());
    let expected =
        ["", "&cursor=c+1", "&cursor=c+1", "&cursor=c+2"].map(|it| format!("{filter}{it}"));
    assert!(lines.eq(&expected), "{requests:?}");
}

#[tokio::test]
async fn page_that_links_to_itself_is_unexpected() {
    let self_linked = || page(&[1], r#""c""#);
    let canned = Canned::start(vec![self_linked(), self_linked(), self_linked()]).await;
    let collected = canned.client().orders(OrderFilter::default()).collect();
    let error = collected.await.unwrap_err();
    assert!(is_unexpected(&error), "{error:?}");
}

#[tokio::test]
async fn lines_are_read_one_by_one_until_the_end() {
    let lines = [order_line(3), order_line(2)].concat();
    let canned = Canned::start(vec![response(200, "", "application/x-ndjson", &lines)]).await;
    let client = canned.client();
    let orders = client.order_lines(OrderFilter::default()).await;
    let mut orders = orders.unwrap();
    assert_eq!(orders.next().await.unwrap().unwrap().id, 3);
    assert_eq!(orders.next().await.unwrap().unwrap().id, 2);
    assert_eq!(orders.next().await.unwrap(), None);
    assert!(canned.requests()[0].contains("\r\naccept: application/x-ndjson\r\n"));
}

#[tokio::test]
async fn truncated_or_invalid_stream_is_an_error() {
    let line = order_line(3);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let truncated = [head, &chunk(&line)].concat();
    let half_a_line = [head, &chunk(&line), &chunk("{\"id\":"), "0\r\n\r\n"].concat();
    let invalid_item = [head, &chunk(&line), &chunk("{\"id\": 2}\n"), "0\r\n\r\n"].concat();
    let responses = [truncated, half_a_line, invalid_item];
    let canned = Canned::start(responses.map(String::into_bytes).to_vec()).await;
    for expected in [false, true, true] {
        let client = canned.client();
        let lines = client.order_lines(OrderFilter::default()).await;
        let mut lines = lines.unwrap();
        assert!(lines.next().await.unwrap().is_some());
        let error = lines.next().await.unwrap_err();
        assert_eq!(is_unexpected(&error), expected, "{error:?}");
        assert_eq!(lines.next().await.unwrap(), None, "the stream has ended");
    }
}

#[tokio::test]
async fn list_that_is_not_ndjson_is_unexpected() {
    let canned = Canned::start(vec![
        json(200, r#"{"items": [], "next_cursor": null}"#),
        problem(503, "unavailable", "", ""),
    ])
    .await;
    let client = canned.client();
    let page = client.stock_lines(StockFilter::default()).await;
    assert!(page.as_ref().is_err_and(is_unexpected), "{page:?}");
    let unavailable = client.stock_lines(StockFilter { in_stock: true }).await;
    assert!(unavailable.unwrap_err().is_transient());
    assert!(canned.requests()[1].starts_with("GET /api/v1/stock?in_stock=true "));
}
