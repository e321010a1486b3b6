//! Vendors: their pauses and quarantines.

use client::{Evidence, ReportKind};

use crate::canned::{Canned, json};

#[tokio::test]
async fn vendor_is_paused_with_a_reason_and_resumed() {
    let paused = |reason: &str| {
        format!(
            r#"{{"vendor_id": "a/b", "paused": {{"since": "2026-11-23T12:00:00Z", "reason": {reason}}}}}"#
        )
    };
    let canned = Canned::start(vec![
        json(200, &paused(r#""stocktaking""#)),
        json(200, &paused("null")),
        json(200, r#"{"vendor_id": "a/b", "paused": null}"#),
    ])
    .await;
    let client = canned.client();
    let first = client
        .pause_vendor("a/b", Some("stocktaking"))
        .await
        .unwrap();
    assert_eq!(first.paused.unwrap().reason.as_deref(), Some("stocktaking"));
    let again = client.pause_vendor("a/b", None).await.unwrap();
    assert_eq!(again.paused.unwrap().reason, None);
    let resumed = client.resume_vendor("a/b").await.unwrap();
    assert_eq!((resumed.vendor_id.as_str(), resumed.paused), ("a/b", None));
    let expected = [
        ("pause", r#"{"reason":"stocktaking"}"#),
        ("pause", "{}"),
        ("resume", ""),
    ];
    let requests = canned.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, (action, body)) in requests.iter().zip(expected) {
        let head = format!("POST /api/v1/vendors/a%2Fb/{action} HTTP/1.1\r\n");
        assert!(request.starts_with(&head), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
        let is_json = request.contains("\r\ncontent-type: application/json\r\n");
        assert_eq!(is_json, !body.is_empty(), "{request}");
    }
}

#[tokio::test]
async fn quarantine_of_a_vendor_is_read() {
    let vendor = |quarantine: &str| {
        format!(
            r#"{{"vendor_id": "v", "url": null, "products": 1, "last_sync": {{"status": "FAILED", "finished_at": null,
                "duration_ms": null, "received": null, "changed": null, "error": "x"}}{quarantine}}}"#
        )
    };
    let held = r#", "quarantine": {"requested_at": "2026-11-23T12:00:00Z", "as_of": "2026-11-23T11:00:00Z",
        "evidence": "document", "kind": "delta", "received": 3, "reason": "too few"}"#;
    let unproven = r#", "quarantine": {"requested_at": "2026-11-23T12:00:00Z", "as_of": null, "evidence": null,
        "kind": "another", "received": 0, "reason": "empty"}"#;
    let items = [
        vendor(held),
        vendor(unproven),
        vendor(r#", "quarantine": null"#),
        vendor(""),
    ]
    .join(",");
    let page = json(
        200,
        &format!(r#"{{"items": [{items}], "next_cursor": null}}"#),
    );
    let canned = Canned::start(vec![page]).await;
    let vendors = canned.client().vendors().collect().await.unwrap();
    let held = vendors[0].quarantine.as_ref().unwrap();
    assert_eq!((held.kind, held.received), (ReportKind::Delta, 3));
    assert_eq!(
        (held.evidence, held.reason.as_str()),
        (Some(Evidence::Document), "too few")
    );
    assert_eq!(held.requested_at.hour(), 12);
    let unproven = vendors[1].quarantine.as_ref().unwrap();
    assert_eq!(
        (unproven.kind, unproven.as_of, unproven.evidence),
        (ReportKind::Other, None, None)
    );
    assert_eq!(
        (&vendors[2].quarantine, &vendors[3].quarantine),
        (&None, &None)
    );
}
