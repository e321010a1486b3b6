//! Messages for each cause of a failed database connection.

use tests::{Cluster, Deployment, Process, eventually};

/// Waits until a process has logged the cause, and asserts that the process keeps retrying.
async fn logs_and_retries(process: &mut Process, cause: &str) {
    eventually(cause, async || process.log().contains(cause).then_some(())).await;
    assert!(process.is_running(), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cause_of_a_failed_connection_has_its_own_message() {
    let cluster = Cluster::start("");
    let deployment = Deployment::builder()
        .apis(0)
        .workers(0)
        .on_server(cluster.options())
        .start()
        .await;
    let database = deployment.database.options().database.clone();
    let _ = cluster.query("postgres", "CREATE ROLE shop LOGIN PASSWORD 'right'");
    cluster
        .set_logins("host all shop 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
    let variables = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    };

    // The server may become available, so the program retries.
    let closed = variables(&[("DB_PORT", "1")]);
    let mut process = deployment.start_another("order-aggregator-api", &closed);
    logs_and_retries(
        &mut process,
        "127.0.0.1:1 cannot be reached: Connection refused",
    )
    .await;
    let unknown = variables(&[("DB_HOST", "db.invalid")]);
    let mut process = deployment.start_another("order-aggregator-api", &unknown);
    logs_and_retries(&mut process, "cannot resolve the host name").await;

    // Retrying cannot help: the settings or the server must change.
    for (pairs, cause) in [
        (
            vec![("DB_USER", "shop")],
            "user \"shop\" needs a password, and none is set",
        ),
        (
            vec![("DB_USER", "shop"), ("DB_PASSWORD", "wrong")],
            "password authentication failed for user \"shop\"",
        ),
        (
            vec![("DB_NAME", "nowhere")],
            "database \"nowhere\" does not exist",
        ),
    ] {
        for program in ["order-aggregator-api", "order-aggregator-worker"] {
            let mut process = deployment.start_another(program, &variables(&pairs));
            assert!(!process.wait().await, "{program} exited with success");
            let log = process.log();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(cause)).collect();
            assert_eq!(lines.len(), 1, "{program}, {cause}: {log}");
        }
    }
    let _ = cluster.query(&database, "SELECT 1");
}
