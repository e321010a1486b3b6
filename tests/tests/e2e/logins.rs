//! Messages for each cause of a failed database connection.

use tests::{Cluster, Deployment, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cause_of_a_failed_connection_has_its_own_message() {
    let cluster = Cluster::start("");
    let deployment = Deployment::builder()
        .apis(0)
        .workers(0)
        .on_server(cluster.options())
        .start()
        .await;
    let _ = cluster.query("postgres", "CREATE ROLE shop LOGIN PASSWORD 'right'");
    cluster
        .set_logins("host all shop 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
    // The server may become available, so the program retries.
    let closed = "127.0.0.1:1 cannot be reached: Connection refused";
    let unknown = "cannot resolve the host name";
    for (variable, cause) in [
        (("DB_PORT", "1"), closed),
        (("DB_HOST", "db.invalid"), unknown),
    ] {
        let mut process = deployment.start_another("order-aggregator-api", &[variable]);
        eventually(cause, async || process.log().contains(cause).then_some(())).await;
        assert!(process.is_running(), "{}", process.log());
    }

    // Retrying cannot help: the settings or the server must change.
    for (pairs, cause) in [
        (
            &[("DB_USER", "shop")][..],
            "user \"shop\" needs a password, and none is set",
        ),
        (
            &[("DB_USER", "shop"), ("DB_PASSWORD", "wrong")],
            "password authentication failed for user \"shop\"",
        ),
        (
            &[("DB_NAME", "nowhere")],
            "database \"nowhere\" does not exist",
        ),
    ] {
        for program in ["order-aggregator-api", "order-aggregator-worker"] {
            let mut process = deployment.start_another(program, pairs);
            assert!(!process.wait().await, "{program} exited with success");
            let log = process.log();
            let lines = log.lines().filter(|line| line.contains(cause));
            assert_eq!(lines.count(), 1, "{program}, {cause}: {log}");
        }
    }
    let _ = cluster.query(&deployment.database.options().database, "SELECT 1");
}
