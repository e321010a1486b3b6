//! Commands of other programs of this workspace: `cargo run` builds the program, and this process becomes it.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

/// Commands that other programs run.
#[derive(Debug, Subcommand)]
pub(crate) enum Forwarded {
    /// Start or stop the PostgreSQL and RabbitMQ in the settings.
    Services(Arguments),
    /// Run the whole system (services, migrations, API, worker and mock vendors) until Ctrl-C.
    Up(Arguments),
    /// Fuzz a running service with valid and invalid requests, and check the responses against the OpenAPI document.
    FuzzApi(Arguments),
    /// Check the OpenAPI document of the code with redocly and spectral.
    LintOpenapi(Arguments),
    /// Generate clients in Python and TypeScript from the OpenAPI document, and use them with a running service.
    GeneratedClients(Arguments),
    /// Benchmark the whole system and the ceilings of its servers, and write a report.
    Bench(Arguments),
    /// Create the database if it is missing, and run pending migrations.
    Migrate(Arguments),
    /// Add a deterministic catalogue to the stock of the vendor `seed`. Other stock is unchanged.
    Seed(Arguments),
    /// Apply the configured vendors, or rename a vendor.
    Vendor(Arguments),
    /// Generate an API key.
    ApiKey(Arguments),
    /// Recompute every balance from orders and allocations, and report inconsistent rows.
    Audit(Arguments),
    /// List, show, replay or discard dead-lettered orders and messages.
    DeadLetters(Arguments),
    /// Export a deployment, with its stock and orders, to one file.
    Export(Arguments),
    /// Import an exported deployment into the database in the settings. Run it again to resume an interrupted import.
    Import(Arguments),
}

/// Arguments that are passed on unchanged.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Arguments of the command; `--help` lists them.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<OsString>,
}

impl Forwarded {
    /// Runs the command. Returns only if that fails.
    pub(crate) fn exec(&self, config: Option<&Path>) -> Result<()> {
        let (package, command, arguments) = self.parts();
        let mut program = program(package, config);
        let error = program.args(command).args(&arguments.arguments).exec();
        Err(error).context("cannot run cargo")
    }

    /// Returns the package of the program.
    pub(crate) fn package(&self) -> &'static str {
        self.parts().0
    }

    /// Returns the package, the subcommand and the arguments.
    fn parts(&self) -> (&'static str, Option<&'static str>, &Arguments) {
        match self {
            Self::Services(arguments) => ("dev-env", Some("services"), arguments),
            Self::Up(arguments) => ("dev-env", Some("up"), arguments),
            Self::FuzzApi(arguments) => ("dev-env", Some("fuzz-api"), arguments),
            Self::LintOpenapi(arguments) => ("dev-env", Some("lint-openapi"), arguments),
            Self::GeneratedClients(arguments) => ("dev-env", Some("generated-clients"), arguments),
            Self::Bench(arguments) => ("bench", None, arguments),
            Self::Migrate(arguments) => ("admin", Some("migrate"), arguments),
            Self::Seed(arguments) => ("admin", Some("seed"), arguments),
            Self::Vendor(arguments) => ("admin", Some("vendor"), arguments),
            Self::ApiKey(arguments) => ("admin", Some("api-key"), arguments),
            Self::Audit(arguments) => ("admin", Some("audit"), arguments),
            Self::DeadLetters(arguments) => ("admin", Some("dead-letters"), arguments),
            Self::Export(arguments) => ("admin", Some("export"), arguments),
            Self::Import(arguments) => ("admin", Some("import"), arguments),
        }
    }
}

/// Returns the command that builds and runs the program of a package.
pub(crate) fn program(package: &str, config: Option<&Path>) -> process::Command {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--package", package, "--manifest-path"]);
    cargo.arg(workspace::root().join("Cargo.toml"));
    if !io::stderr().is_terminal() {
        // Only the output of the program.
        cargo.arg("--quiet");
    }
    cargo
        .arg("--")
        .args(config.map(|_| "--config"))
        .args(config);
    if package == "admin" {
        // The program runs in the caller's directory, as its arguments may contain paths relative to it.
        cargo.arg("--env-file").arg(workspace::root().join(".env"));
    }
    cargo
}

/// Returns the standard output of a command of the program `dev-env`.
pub(crate) fn output_of_dev_env(config: Option<&Path>, arguments: &[&str]) -> Result<String> {
    let mut program = program("dev-env", config);
    let program = program.args(arguments).stderr(process::Stdio::inherit());
    let output = program.output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "dev-env {} failed with {}",
        arguments.join(" "),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::{Cli, Command};

    #[test]
    fn operators_program_reads_the_env_file_of_the_workspace() {
        let program = super::program("admin", None);
        let env_file = workspace::root().join(".env");
        assert_eq!(program.get_args().last(), Some(env_file.as_os_str()));
    }

    #[test]
    fn arguments_are_passed_on_unchanged() {
        for line in ["seed --products 5 --help", "seed -x -- --config"] {
            let words = || line.split(' ');
            let cli = Cli::parse_from(["xtask", "--config", "c.toml"].into_iter().chain(words()));
            let Command::Forwarded(command) = cli.command else {
                panic!("{line} is not forwarded");
            };
            let (package, name, arguments) = command.parts();
            let parsed = arguments.arguments.iter().filter_map(|it| it.to_str());
            let parsed: Vec<&str> = name.into_iter().chain(parsed).collect();
            assert_eq!((package, parsed), ("admin", words().collect::<Vec<_>>()));
        }
    }
}
