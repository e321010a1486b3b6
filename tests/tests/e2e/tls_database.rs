//! TLS to a real PostgreSQL: the modes, the message for each failure, client certificates, and renewal.

use std::path::{Path, PathBuf};

use domain::ports::Store as _;
use storage_postgres::{ConnectError, PgOptions, PgStore, check_server};
use tempfile::TempDir;
use tests::{Authority, Cluster, Deployment, Issued, assert_contains};
use tls_config::{ClientTls, ClientTlsOptions, Identity, Verification};

const SSL_ON: &str = "ssl = on\n";
const MUTUAL: &str = "ssl = on\nssl_ca_file = 'root.crt'\n";

/// A password that no message may contain.
const PASSWORD: &str = "hunter2";

fn options(cluster: &Cluster, tls: Option<ClientTlsOptions>) -> PgOptions {
    PgOptions {
        password: Some(PASSWORD.to_owned()),
        tls: tls.map(ClientTls::new),
        ..cluster.options()
    }
}

fn tls(verification: Verification, roots: Option<&Path>) -> ClientTlsOptions {
    ClientTlsOptions {
        verification,
        root_certificates: roots.map(Path::to_owned),
        identity: None,
    }
}

/// Files in a folder of a client.
struct Files(TempDir);

impl Files {
    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn roots(&self, authority: &Authority) -> PathBuf {
        let path = self.0.path().join("ca.crt");
        std::fs::write(&path, authority.pem()).unwrap();
        path
    }

    fn identity(&self, issued: &Issued) -> Identity {
        let (certificate, key) = issued.write(self.0.path(), "client");
        Identity { certificate, key }
    }
}

/// Asserts that no session can be opened, and that retrying does not help. Returns the message.
async fn refused(cluster: &Cluster, tls: Option<ClientTlsOptions>) -> String {
    let error = check_server(&options(cluster, tls)).await.unwrap_err();
    let message = error.to_string();
    println!("{message}");
    assert!(error.is_permanent(), "{message}");
    assert_contains(&message, &cluster.address());
    assert!(!message.contains(PASSWORD), "{message}");
    message
}

async fn accepted(cluster: &Cluster, tls: Option<ClientTlsOptions>) {
    check_server(&options(cluster, tls)).await.unwrap();
}

/// Returns a cluster with a certificate for its address, and its authority.
fn encrypted_cluster() -> (Cluster, Authority) {
    let authority = Authority::create("servers");
    let cluster = Cluster::start("");
    cluster.write_certificate(&authority.server(&["localhost", "127.0.0.1"]));
    cluster.configure(SSL_ON);
    (cluster, authority)
}

#[tokio::test]
async fn each_failure_of_tls_to_the_database_has_its_own_message() {
    use Verification::{Authority as Signed, Full};
    let (cluster, authority) = encrypted_cluster();
    let files = Files::create();
    let roots = files.roots(&authority);
    let roots = Some(roots.as_path());
    for (verification, roots) in [(Verification::None, None), (Signed, roots), (Full, roots)] {
        accepted(&cluster, Some(tls(verification, roots))).await;
    }
    accepted(&cluster, None).await;

    // Signed by another authority than the trusted one.
    let other = Files::create();
    let other = other.roots(&Authority::create("others"));
    for verification in [Signed, Full] {
        let message = refused(&cluster, Some(tls(verification, Some(&other)))).await;
        assert_contains(&message, "no authority in the root certificate file");
        assert_contains(&message, other.to_str().unwrap());
    }
    let message = refused(&cluster, Some(tls(Full, None))).await;
    assert_contains(&message, "trust store of the system");
    let missing = files.0.path().join("none.crt");
    let message = refused(&cluster, Some(tls(Full, Some(&missing)))).await;
    assert_contains(&message, "none.crt cannot be read: No such file");

    cluster.write_certificate(&authority.server(&["db.example", "db2.example"]));
    cluster.configure(SSL_ON);
    let message = refused(&cluster, Some(tls(Full, roots))).await;
    assert_contains(
        &message,
        "is for db.example, db2.example, not for 127.0.0.1",
    );
    accepted(&cluster, Some(tls(Signed, roots))).await;

    cluster.write_certificate(&authority.expired("server", &["127.0.0.1"]));
    cluster.configure(SSL_ON);
    for verification in [Signed, Full] {
        let message = refused(&cluster, Some(tls(verification, roots))).await;
        assert_contains(
            &message,
            "expired at 2020-01-01T00:00:00Z: renew it on the server",
        );
    }

    cluster.configure("ssl = off\n");
    for verification in [Verification::None, Full] {
        let message = refused(&cluster, Some(tls(verification, roots))).await;
        assert_contains(&message, "the server does not offer TLS");
    }
    cluster.configure(SSL_ON);
    cluster.set_logins("hostssl all all 127.0.0.1/32 trust\n");
    let message = refused(&cluster, None).await;
    assert_contains(&message, "refused the login");
    assert_contains(&message, "no encryption");
}

#[tokio::test]
async fn server_that_is_not_postgresql_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let roots = Files::create();
    let roots = roots.roots(&Authority::create("any"));
    for (response, expected, is_permanent) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "is not PostgreSQL",
            true,
        ),
        // Data in clear text after the agreement on TLS, as an attacker would inject it.
        (b"SR\0\0\0\x08\0\0\0\0", "does not speak TLS", true),
        (
            b"E",
            "responded to the request for TLS with an error",
            false,
        ),
        (b"", "closed the connection", false),
    ] {
        let respond = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut request)
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, response)
                .await
                .unwrap();
            // Closing with unread data would reset the connection before the response is read.
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
        };
        let options = PgOptions {
            host: "127.0.0.1".to_owned(),
            port,
            tls: Some(ClientTls::new(tls(Verification::Full, Some(&roots)))),
            ..storage_postgres::test_database::server_from_environment()
        };
        let respond_with_end = async {
            tokio::time::timeout(std::time::Duration::from_secs(1), respond)
                .await
                .ok()
        };
        let (checked, _) = tokio::join!(check_server(&options), respond_with_end);
        let error = checked.unwrap_err();
        assert_contains(&error.to_string(), expected);
        assert_eq!(error.is_permanent(), is_permanent, "{error}");
    }
}

#[tokio::test]
async fn client_certificates_are_checked_renewed_and_refused_after_their_replacement() {
    let (cluster, authority) = encrypted_cluster();
    let clients = Authority::create("clients");
    cluster.write_client_authority(&clients.pem());
    cluster.configure(MUTUAL);
    cluster.set_logins("hostssl all all 127.0.0.1/32 cert\n");
    let files = Files::create();
    let roots = files.roots(&authority);
    let without = tls(Verification::Full, Some(&roots));
    let with = |identity| ClientTlsOptions {
        identity: Some(identity),
        ..without.clone()
    };

    let message = refused(&cluster, Some(without.clone())).await;
    assert_contains(&message, "connection requires a valid client certificate");
    let other = Files::create();
    let foreign = Authority::create("others").client("postgres");
    let message = refused(&cluster, Some(with(other.identity(&foreign)))).await;
    assert_contains(&message, "refused the client certificate");
    assert_contains(&message, "client.crt");
    let expired = clients.expired("postgres", &[]);
    let message = refused(&cluster, Some(with(other.identity(&expired)))).await;
    assert_contains(&message, "refused the client certificate");
    let message = refused(
        &cluster,
        Some(with(other.identity(&clients.client("shop")))),
    )
    .await;
    assert_contains(&message, "certificate authentication failed");

    // One store for all that follows: nothing is started again.
    let identity = files.identity(&clients.client("postgres"));
    let options = options(&cluster, Some(with(identity)));
    let store = PgStore::new(&options).unwrap();
    let open = store.begin().await.unwrap();
    // Renewed: with a new key, and the next connection uses it.
    files.identity(&clients.client("postgres"));
    store.begin().await.unwrap();
    // The authority of clients is replaced on the server: what the old one signed is refused at the next connection.
    let renewed = Authority::create("renewed clients");
    cluster.write_client_authority(&renewed.pem());
    cluster.configure(MUTUAL);
    let error = check_server(&options).await.unwrap_err().to_string();
    assert_contains(&error, "refused the client certificate");
    files.identity(&renewed.client("postgres"));
    check_server(&options).await.unwrap();
    // The authority of the server is replaced: refused until the root certificate is replaced, too.
    let servers = Authority::create("renewed servers");
    cluster.write_certificate(&servers.server(&["127.0.0.1"]));
    cluster.configure(MUTUAL);
    let error = check_server(&options).await.unwrap_err().to_string();
    assert_contains(&error, "no authority in the root certificate file");
    files.roots(&servers);
    check_server(&options).await.unwrap();
    drop(open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_of_the_programs_is_encrypted() {
    let (cluster, authority) = encrypted_cluster();
    // Clear text is accepted, too: the server's log shows what each connection used.
    cluster.configure("ssl = on\nlog_connections = on\n");
    let files = Files::create();
    let roots = files.roots(&authority);
    let server = options(&cluster, Some(tls(Verification::Full, Some(&roots))));
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("product-1", 10)])
        .on_server(server)
        .variable("AGGREGATOR__DATABASE__SSLMODE", "verify-full")
        .variable("AGGREGATOR__DATABASE__SSLROOTCERT", roots.to_str().unwrap())
        .start()
        .await;
    let client = deployment.client(0);
    for _ in 0..3 {
        client.place_confirmed("product-1", 2).await;
    }
    deployment.all_settled().await;
    tests::admin::succeed(&["audit"], &deployment.environment()).await;
    let log = cluster.log();
    for program in ["api", "worker", "admin"] {
        let name = format!("application_name=order-aggregator-{program} ");
        let authorized = log
            .lines()
            .filter(|line| line.contains("connection authorized") && line.contains(&name));
        let (encrypted, clear): (Vec<_>, Vec<_>) =
            authorized.partition(|line| line.contains("SSL enabled"));
        assert!(clear.is_empty(), "{clear:#?}");
        assert!(!encrypted.is_empty(), "{program} did not connect: {log}");
    }
}

#[tokio::test]
async fn connection_error_is_transient_while_the_server_is_down() {
    let (cluster, authority) = encrypted_cluster();
    cluster.crash();
    let files = Files::create();
    let roots = files.roots(&authority);
    let options = options(&cluster, Some(tls(Verification::Full, Some(&roots))));
    let error = check_server(&options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}
