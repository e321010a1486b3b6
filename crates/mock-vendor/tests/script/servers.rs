//! Servers of files, read by clients of other projects: `sftp` of OpenSSH, and `ftplib` of Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use mock_vendor::script::{Script, ScriptedVendor};
use tempfile::TempDir;

/// The interpreter of the system's packages.
const PYTHON: &str = "/usr/bin/python3";
const REPORT: &str = "sku,title,quantity\r\nA,Product A,1\r\n";

/// Starts a vendor with the file `/out/stock.csv`.
async fn serve(lines: &str) -> ScriptedVendor {
    let text = format!(
        "[[vendors]]\nname = 'acme'\nlisten = '127.0.0.1:0'\ndirectory = '/out'\nfile_name = 'stock.csv'\n\
         interval_s = 3600\nstock = {{ A = 1 }}\nformat = {{ type = 'csv' }}\n{lines}"
    );
    let script = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let vendor = script.start().unwrap().remove(0);
    while vendor.requests() == 0 {
        tokio::task::yield_now().await;
    }
    vendor
}

/// Runs a command to its end, on a thread that may block. Returns whether it succeeded, and what it printed.
async fn run(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap_or_else(|error| {
        panic!("a program is missing ({error}): run cargo xtask services");
    });
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

/// The client `sftp`, which logs in with the key in this directory.
fn sftp(vendor: &ScriptedVendor, directory: &Path, commands: &str) -> Command {
    fs::write(directory.join("commands"), commands).unwrap();
    let at = |name: &str| directory.join(name).display().to_string();
    let mut command = Command::new("sftp");
    command
        .current_dir(directory)
        .args(["-F", "none", "-b", &at("commands")])
        .args(["-o", &format!("IdentityFile={}", at("key"))])
        .args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"])
        .args(["-o", "StrictHostKeyChecking=accept-new"])
        .args(["-o", &format!("UserKnownHostsFile={}", at("known_hosts"))])
        .args(["-P", &vendor.address().unwrap().port().to_string()])
        .arg("shop@127.0.0.1");
    command
}

async fn generate_key(path: &Path) -> String {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(path);
    let (succeeded, printed) = run(command).await;
    assert!(succeeded, "{printed}");
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

#[tokio::test]
async fn sftp_of_openssh_lists_and_reads_the_file_with_a_key() {
    let directory = TempDir::new().unwrap();
    let key = generate_key(&directory.path().join("key")).await;
    let vendor = serve(&format!(
        "transport = 'sftp'\nauth = {{ type = 'key', user = 'shop', public_key = '{}' }}",
        key.trim()
    ))
    .await;
    let commands = "cd out\npwd\nls -1\nls -l\nget stock.csv\n";
    let (succeeded, printed) = run(sftp(&vendor, directory.path(), commands)).await;
    assert!(succeeded, "{printed}");
    assert!(
        printed.contains("Remote working directory: /out"),
        "{printed}"
    );
    assert!(printed.contains("\nstock.csv"), "{printed}");
    assert!(printed.contains("-rw-r--r--"), "{printed}");
    let received = fs::read_to_string(directory.path().join("stock.csv")).unwrap();
    assert_eq!(received, REPORT);

    // The key of the server is the one that was announced.
    let mut command = Command::new("ssh-keygen");
    command.arg("-lf").arg(directory.path().join("known_hosts"));
    let (_, printed) = run(command).await;
    let fingerprint = vendor.setting("host_key").unwrap();
    assert!(printed.contains(fingerprint), "{printed} {fingerprint}");
    let description = vendor.description();
    let end = format!("/out/stock.csv, host_key = {fingerprint:?}");
    assert!(description.ends_with(&end), "{description}");

    for commands in [
        "put commands out/x\n",
        "rm out/stock.csv\n",
        "get missing\n",
    ] {
        let (succeeded, printed) = run(sftp(&vendor, directory.path(), commands)).await;
        assert!(!succeeded, "{commands}{printed}");
    }
    generate_key(&directory.path().join("other")).await;
    fs::rename(directory.path().join("other"), directory.path().join("key")).unwrap();
    let (succeeded, printed) = run(sftp(&vendor, directory.path(), "ls\n")).await;
    assert!(
        !succeeded && printed.contains("Permission denied (publickey)"),
        "{printed}"
    );
}

/// Prints the outcome of each step of a client of FTP with TLS, which checks the certificate.
const FTP_CLIENT: &str = r"
import ftplib, ssl, sys

port, ca_file, password = sys.argv[1:]
ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ca_file))
ftp.connect('127.0.0.1', int(port))
try:
    ftp.login('shop', password)
except ftplib.error_perm as error:
    print(error)
    sys.exit()
ftp.prot_p()
print(ftp.pwd(), ftp.nlst())
ftp.cwd('out')
print(ftp.pwd(), [(name, facts['size']) for name, facts in ftp.mlsd()])
ftp.cwd('..')
print(ftp.size('out/stock.csv'), len(ftp.voidcmd('MDTM out/stock.csv')))
lines = []
ftp.retrlines('LIST /out', lines.append)
print(len(lines), lines[0].split()[0], lines[0].split()[-1])
parts = []
ftp.retrbinary('RETR out/stock.csv', parts.append)
print(b''.join(parts))
for command in ['RETR missing', 'CWD missing', 'STOR x', 'PROT C']:
    try:
        ftp.voidcmd(command)
    except ftplib.error_perm as error:
        print(error)
print(ftp.quit())
";

async fn ftp_client(vendor: &ScriptedVendor, password: &str) -> (bool, String) {
    let port = vendor.address().unwrap().port().to_string();
    let mut command = Command::new(PYTHON);
    command
        .args(["-c", FTP_CLIENT, &port])
        .arg(vendor.setting("ca_file").unwrap())
        .arg(password);
    run(command).await
}

#[tokio::test]
async fn ftplib_of_python_lists_and_reads_the_file() {
    let directory = TempDir::new().unwrap();
    let ca_file = directory.path().join("new/ca.pem");
    let vendor = serve(&format!(
        "transport = 'ftps'\nca_file = '{}'\nauth = {{ type = 'password', user = 'shop', password = 'secret' }}",
        ca_file.display()
    ))
    .await;
    let (succeeded, printed) = ftp_client(&vendor, "secret").await;
    let expected = format!(
        "/ ['out']\n/out [('stock.csv', '{size}')]\n{size} 18\n1 -rw-r--r-- stock.csv\nb{report:?}\n\
         550 /missing: No such file\n550 /missing: No such directory\n502 Not implemented\n\
         534 Data connections are private\n221 Goodbye\n",
        size = REPORT.len(),
        report = Quoted(REPORT),
    );
    assert_eq!(printed, expected);
    assert!(succeeded);
    let (_, printed) = ftp_client(&vendor, "wrong").await;
    assert_eq!(printed, "530 Login incorrect\n");
    let end = format!(
        "/out/stock.csv, ca_file = {:?}",
        ca_file.display().to_string()
    );
    assert!(
        vendor.description().ends_with(&end),
        "{}",
        vendor.description()
    );
}

/// A text in single quotes, as Python prints it.
struct Quoted(&'static str);

impl std::fmt::Debug for Quoted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "'{}'", self.0.escape_debug())
    }
}

#[tokio::test]
async fn login_without_tls_is_refused() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let directory = TempDir::new().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let vendor = serve(&format!(
        "transport = 'ftps'\nca_file = '{}'",
        ca_file.display()
    ))
    .await;
    let stream = tokio::net::TcpStream::connect(vendor.address().unwrap());
    let mut lines = BufReader::new(stream.await.unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "220 Mock vendor");
    for (command, reply) in [
        ("USER shop", "530 AUTH TLS is required first"),
        ("QUIT", "221 Goodbye"),
    ] {
        let stream = lines.get_mut();
        let line = format!("{command}\r\n");
        stream.write_all(line.as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), reply);
    }
    assert_eq!(lines.next_line().await.unwrap(), None);
}
