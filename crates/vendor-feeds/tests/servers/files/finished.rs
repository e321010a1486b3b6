//! The treatment of files after their report was applied.

use vendor_feeds::AfterRead;

use super::*;

fn feed_with(
    server: &dyn FileServer,
    name: &str,
    after: AfterRead,
    kind: ReportKind,
) -> SourceFeed {
    let options = FeedOptions {
        after,
        kind,
        ..options(server.source(name))
    };
    SourceFeed::new(options, Arc::new(SystemClock)).unwrap()
}

fn moved() -> AfterRead {
    AfterRead::Move("done".to_owned())
}

/// Reads the newest report, and finishes its file as after a sync.
async fn fetch_and_finish(feed: &SourceFeed) -> (Option<u32>, Result<(), String>) {
    let fetched = fetch(feed).await;
    let finished = feed.finish_file(fetched.read_file.as_ref().unwrap()).await;
    (units(&fetched, "0012"), finished)
}

#[tokio::test]
async fn applied_file_and_older_ones_are_deleted() {
    for (name, server) in servers().await {
        let at = |name: &str| server.reports().join(name);
        write_reports(&server.reports());
        write(&at("stock_z.csv.gz"), gzip(csv(9).as_bytes()), 30);
        let feed = feed_with(
            server.as_ref(),
            "stock_*.csv.gz",
            AfterRead::Delete,
            ReportKind::Full,
        );
        let fetched = fetch(&feed).await;
        assert_eq!(units(&fetched, "0012"), Some(9), "{name}");
        // Written meanwhile, one by a clock that is behind that of the report.
        write(&at("stock_x.csv.gz"), gzip(csv(7).as_bytes()), 25);
        write(&at("stock_y.csv.gz"), gzip(csv(8).as_bytes()), 40);
        let file = fetched.read_file.unwrap();
        for _ in 0..2 {
            assert_eq!(feed.finish_file(&file).await, Ok(()), "{name}");
            let left = [
                ".stock_e.csv.gz",
                "other.csv.gz",
                "stock_d.csv.gz.part",
                "stock_x.csv.gz",
                "stock_y.csv.gz",
            ];
            assert_eq!(names(&server.reports()), left, "{name}");
        }
        assert_eq!(fetch_and_finish(&feed).await, (Some(8), Ok(())), "{name}");
        let problem = unavailable(&feed).await;
        let expected = "the report is not ready: no file matches ";
        assert!(problem.starts_with(expected), "{name}: {problem}");
    }
}

#[tokio::test]
async fn deltas_are_read_in_the_order_of_their_times() {
    for (name, server) in servers().await {
        write_reports(&server.reports());
        let feed = feed_with(
            server.as_ref(),
            "stock_*.csv.gz",
            AfterRead::Delete,
            ReportKind::Delta,
        );
        for expected in [1, 3, 2] {
            let finished = fetch_and_finish(&feed).await;
            assert_eq!(finished, (Some(expected), Ok(())), "{name}");
        }
    }
}

#[tokio::test]
async fn file_that_was_written_again_is_left() {
    for (name, server) in servers().await {
        let path = server.reports().join("stock.csv");
        for name_or_pattern in ["stock.csv", "*.csv"] {
            let feed = feed_with(
                server.as_ref(),
                name_or_pattern,
                AfterRead::Delete,
                ReportKind::Full,
            );
            write(&path, csv(1), 0);
            let file = fetch(&feed).await.read_file.unwrap();
            for (text, later_s) in [(csv(2), 5), (csv(33), 0)] {
                write(&path, text, later_s);
                assert_eq!(feed.finish_file(&file).await, Ok(()), "{name}");
                assert!(path.exists(), "{name}");
            }
            assert_eq!(fetch_and_finish(&feed).await, (Some(33), Ok(())), "{name}");
            assert!(!path.exists(), "{name}");
        }
    }
}

#[tokio::test]
async fn applied_file_is_moved_and_replaces_none() {
    for (name, server) in servers().await {
        let at = |name: &str| server.reports().join(name);
        create(&at("done"));
        let feed = feed_with(server.as_ref(), "stock.csv", moved(), ReportKind::Full);
        for (units, later_s, expected) in [
            (1, 0, &["stock.csv"][..]),
            (2, 61, &["20261101T080101Z-stock.csv", "stock.csv"]),
        ] {
            write(&at("stock.csv"), csv(units), later_s);
            let finished = fetch_and_finish(&feed).await;
            assert_eq!(finished, (Some(units), Ok(())), "{name}");
            assert_eq!(names(&at("done")), expected, "{name}");
            assert!(!at("stock.csv").exists(), "{name}");
        }
        write(&at("stock.csv"), csv(3), 61);
        let (units, finished) = fetch_and_finish(&feed).await;
        assert_eq!(units, Some(3), "{name}");
        assert_eq!(
            finished.unwrap_err(),
            "cannot move stock.csv to done: the name exists there, also with the time of the file before it (source.after)",
            "{name}"
        );
        let text = |name: &str| fs::read_to_string(at(name)).unwrap();
        assert_eq!(text("stock.csv"), csv(3), "{name}");
        assert_eq!(text("done/stock.csv"), csv(1), "{name}");
        assert_eq!(text("done/20261101T080101Z-stock.csv"), csv(2), "{name}");
    }
}

#[tokio::test]
async fn link_is_deleted_and_moved_without_its_target() {
    for (name, server) in servers().await {
        if !server.has_links() {
            continue;
        }
        let at = |name: &str| server.reports().join(name);
        create(&at("done"));
        write(&at("report"), csv(7), 0);
        for after in [AfterRead::Delete, moved()] {
            symlink("report", at("stock.csv")).unwrap();
            let feed = feed_with(server.as_ref(), "*.csv", after, ReportKind::Full);
            assert_eq!(fetch_and_finish(&feed).await, (Some(7), Ok(())), "{name}");
            assert_eq!(names(&server.reports()), ["done", "report"], "{name}");
        }
        assert_eq!(names(&at("done")), ["stock.csv"], "{name}");
    }
}

#[tokio::test]
async fn file_that_cannot_be_moved_or_deleted_is_left_with_the_reason() {
    let refusing = Ftpd::vsftpd(FtpsTls::Explicit, Certificate::Signed, "");
    let servers: [(Box<dyn FileServer>, AfterRead, &str); 6] = [
        (
            Box::new(local()),
            moved(),
            "No such file or directory (os error 2) (source.after)",
        ),
        (
            Box::new(sshd()),
            moved(),
            "/out/done: No such file (source.after)",
        ),
        (
            Box::new(sshd()),
            AfterRead::Delete,
            "/out/stock.csv: Permission denied (source.after)",
        ),
        (
            Box::new(Ftpd::pyftpdlib()),
            moved(),
            "cannot move stock.csv to done: 550 No such file or directory. (source.after)",
        ),
        (
            Box::new(vsftpd(FtpsTls::Explicit)),
            moved(),
            "cannot move stock.csv to done: 550 Rename failed. (source.after)",
        ),
        (
            Box::new(refusing),
            AfterRead::Delete,
            "cannot delete stock.csv: 550 Permission denied. (source.after)",
        ),
    ];
    for (server, after, reason) in servers {
        let path = server.reports().join("stock.csv");
        write(&path, csv(1), 0);
        if reason.contains("stock.csv: Permission denied") {
            fs::set_permissions(server.reports(), fs::Permissions::from_mode(0o555)).unwrap();
        }
        let feed = feed_with(server.as_ref(), "*.csv", after, ReportKind::Full);
        let (units, finished) = fetch_and_finish(&feed).await;
        assert_eq!(units, Some(1));
        let problem = finished.unwrap_err();
        assert!(problem.ends_with(reason), "{problem}");
        assert!(path.exists());
    }
}

/// A vendor may put a link in place of the directory to which its files are moved.
#[tokio::test]
async fn files_are_not_moved_through_a_link() {
    let servers: [(Box<dyn FileServer>, &str); 2] = [
        (
            Box::new(local()),
            "Not a directory (os error 20) (source.after)",
        ),
        (Box::new(sshd()), "it is not a directory (source.after)"),
    ];
    for (server, reason) in servers {
        let at = |name: &str| server.reports().join(name);
        create(&at("../elsewhere"));
        symlink("../elsewhere", at("done")).unwrap();
        write(&at("stock.csv"), csv(1), 0);
        let feed = feed_with(server.as_ref(), "*.csv", moved(), ReportKind::Full);
        let problem = fetch_and_finish(&feed).await.1.unwrap_err();
        assert!(problem.ends_with(reason), "{problem}");
        assert!(names(&at("../elsewhere")).is_empty());
    }
}
