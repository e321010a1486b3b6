//! Documents that a vendor pushes.

use std::time::Duration;

use domain::evidence::ResponseTimes;
use domain::identifiers::ProductId;
use domain::ports::{FeedError, PushFeed as _, PushedDocument, UploadError, VendorFeed};
use domain::timestamp::Timestamp;
use vendor_feeds::{InvalidOptions, PushOptions, PushReceiver};

use super::options;

fn receiver(change: impl FnOnce(&mut PushOptions)) -> Result<PushReceiver, InvalidOptions> {
    let mut options = PushOptions {
        lag: Duration::from_secs(7),
        max_age: Some(Duration::from_secs(9)),
        ..PushOptions::from(options("http://127.0.0.1/"))
    };
    change(&mut options);
    PushReceiver::new(options)
}

/// Receives a document in these pieces.
async fn received(
    receiver: &PushReceiver,
    document: PushedDocument,
    pieces: &[&[u8]],
) -> Result<Box<dyn VendorFeed>, UploadError> {
    let mut upload = receiver.receive(document)?;
    for piece in pieces {
        upload.write(piece).await?;
    }
    upload.finish().await
}

#[tokio::test]
async fn pushed_document_is_read_once_with_the_settings_of_its_vendor() {
    let receiver = receiver(|_| ()).unwrap();
    let times = ResponseTimes {
        date: Some(Timestamp::from_micros(1)),
        ..ResponseTimes::default()
    };
    let document = PushedDocument {
        times: times.clone(),
        ..PushedDocument::default()
    };
    let pieces = [&b"[{\"productId\": \"1\","[..], b"", b"\"quantity\": 5}]"];
    let feed = received(&receiver, document, &pieces).await.unwrap();
    assert_eq!(feed.vendor_id(), receiver.vendor_id());
    assert_eq!(feed.lag(), Duration::from_secs(7));
    assert_eq!(feed.max_age(), Some(Duration::from_secs(9)));
    let fetched = feed.fetch().await.unwrap();
    let product = ProductId::parse("1").unwrap();
    assert_eq!(fetched.report.quantity_of(&product), Some(5));
    assert_eq!(fetched.times, times);
    let again = feed.fetch().await;
    assert!(matches!(again, Err(FeedError::Unavailable(_))), "{again:?}");
}

#[tokio::test]
async fn document_is_limited_when_it_is_announced_and_when_it_arrives() {
    let receiver = receiver(|options| options.decode.max_bytes = 1_000_000).unwrap();
    let too_large = UploadError::TooLarge(
        "the report is larger than 1000000 bytes (decode.max_bytes)".to_owned(),
    );
    let announced = |bytes| PushedDocument {
        announced_bytes: Some(bytes),
        ..PushedDocument::default()
    };
    let refused = received(&receiver, announced(1_000_001), &[]).await;
    assert_eq!(refused.err(), Some(too_large.clone()));
    let piece = vec![b' '; 500_000];
    for (pieces, is_accepted) in [(2, true), (3, false)] {
        let pieces = vec![&piece[..]; pieces];
        let outcome = received(&receiver, announced(1_000_000), &pieces).await;
        let expected = (!is_accepted).then(|| too_large.clone());
        assert_eq!(outcome.err(), expected);
    }
}

#[tokio::test]
async fn pushed_document_is_read_within_the_timeout() {
    let receiver = receiver(|options| options.timeout = Duration::ZERO).unwrap();
    let items = vec![r#"{"productId": "1", "quantity": 5}"#; 20_000].join(",");
    let pieces = [&b"["[..], items.as_bytes(), b"]"];
    let feed = received(&receiver, PushedDocument::default(), &pieces).await;
    match feed.unwrap().fetch().await {
        Err(FeedError::Unavailable(problem)) => {
            assert!(problem.contains("within 0ns"), "{problem}");
        }
        other => panic!("expected a timeout, got {other:?}"),
    }
}

#[test]
fn invalid_options_of_a_push_are_rejected() {
    let error = receiver(|options| {
        options.fields.quantity =
            vendor_feeds::QuantityField::new(vendor_feeds::Column::Name("quantity".to_owned()));
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("fields.quantity"), "{error}");
}
