//! Runs of vendors.

use client::{Evidence, SyncStatus};

use crate::canned::{Canned, json};

fn run(id: i64, refused: &str) -> String {
    format!(
        r#"{{"id": {id}, "started_at": "2026-11-23T12:00:00Z", "finished_at": "2026-11-23T12:00:01.5Z", "status": "FAILED",
            "file": "stock.csv", "evidence": "file_time", "as_of": "2026-11-23T11:00:00Z", "bytes": 77, "rows": 2, "added": 1, "changed": 2,
            "unchanged": 3, "zeroed": 4, "refused": [{refused}], "refused_count": 5, "guard": null, "error": "x"}}"#
    )
}

#[tokio::test]
async fn runs_of_a_vendor_are_read_page_by_page() {
    let refused =
        r#"{"place": "row 7", "column": "Qty", "value": null, "rule": "expected a number"}"#;
    let first = format!(r#"{{"items": [{}], "next_cursor": "c"}}"#, run(9, refused));
    let second = format!(r#"{{"items": [{}], "next_cursor": null}}"#, run(8, ""));
    let canned = Canned::start(vec![
        json(200, &first),
        json(200, &first),
        json(200, &second),
    ])
    .await;
    let client = canned.client();
    let page = client.vendor_runs_page("a/b", Some(1), None).await.unwrap();
    assert_eq!(page.next_cursor.as_deref(), Some("c"));
    let run = &page.items[0];
    assert_eq!((run.id, run.status), (9, SyncStatus::Failed));
    assert_eq!(run.file.as_deref(), Some("stock.csv"));
    assert_eq!(run.evidence, Some(Evidence::FileTime));
    assert_eq!((run.bytes, run.rows), (Some(77), Some(2)));
    let counts = [run.added, run.changed, run.unchanged, run.zeroed];
    assert_eq!(counts, [1, 2, 3, 4]);
    assert_eq!((run.refused.len(), run.refused_count), (1, 5));
    assert_eq!(run.refused[0].place, "row 7");
    assert_eq!(run.refused[0].value, None);
    let all = client.vendor_runs("a/b").collect().await.unwrap();
    let ids: Vec<i64> = all.iter().map(|run| run.id).collect();
    assert_eq!(ids, [9, 8]);
    let requests = canned.requests();
    let path = "GET /api/v1/vendors/a%2Fb/runs?limit=";
    for (request, query) in requests.iter().zip(["1 ", "1000 ", "1000&cursor=c "]) {
        assert!(request.starts_with(&format!("{path}{query}")), "{request}");
    }
}
