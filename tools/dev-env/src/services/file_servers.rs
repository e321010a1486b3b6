//! The SFTP and FTP servers that the tests of vendor feeds start themselves: they only have to be installed.

use std::process::Command;

use anyhow::Result;

use super::debian;

/// Debian packages, each with a command that succeeds silently if it is installed.
const PACKAGES: [(&str, &[&str]); 6] = [
    ("openssl", &["openssl", "version"]),
    ("openssh-server", &["test", "-x", "/usr/sbin/sshd"]),
    // Gives the SSH server users of its own.
    (
        "libnss-wrapper",
        &["env", "LD_PRELOAD=libnss_wrapper.so", "true"],
    ),
    ("vsftpd", &["test", "-x", "/usr/sbin/vsftpd"]),
    (
        "python3-pyftpdlib",
        &["/usr/bin/python3", "-c", "import pyftpdlib"],
    ),
    (
        "python3-openssl",
        &["/usr/bin/python3", "-c", "import OpenSSL"],
    ),
];

/// Installs the packages that are missing, or names them where they cannot be installed.
pub(super) fn install() -> Result<()> {
    let missing = PACKAGES
        .iter()
        .filter(|(_, command)| !is_installed(command));
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if debian::can_install() {
        return debian::install_test_servers(&missing);
    }
    eprintln!(
        "the tests of the sources sftp and ftps will fail: install {} (names of Debian packages)",
        missing.join(", ")
    );
    Ok(())
}

fn is_installed(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else {
        return false;
    };
    let output = Command::new(program).args(arguments).output();
    // The loader only warns of a library that is missing.
    output.is_ok_and(|output| output.status.success() && output.stderr.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_module_and_library_are_recognized() {
        assert!(is_installed(&["test", "-x", "/bin/sh"]));
        assert!(!is_installed(&["test", "-x", "/usr/sbin/no-such-server"]));
        assert!(!is_installed(&["no-such-program"]));
        assert!(!is_installed(&["env", "LD_PRELOAD=libno_such.so", "true"]));
    }
}
