//! The command line and the exit code of a program.

use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use clap::Parser;
use clap::builder::{PathBufValueParser, TypedValueParser};
use settings::{Settings, SettingsError};
use tokio::runtime::Runtime;

/// The arguments of every program.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// File with settings that override the defaults.
    ///
    /// Settings are read from config/default.toml (built in), this file, the --env-file and the environment, in order of
    /// increasing precedence.
    #[arg(long, global = true, value_name = "FILE", value_parser = absolute_path())]
    pub config: Option<PathBuf>,
    /// File with environment variables, one NAME=value per line; it may be missing.
    #[arg(long, global = true, value_name = "FILE", default_value = ".env")]
    pub env_file: PathBuf,
}

/// Parses a path relative to the caller's directory: a program may change to another directory before it uses the path.
#[must_use]
pub fn absolute_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(std::path::absolute)
}

impl ConfigArgs {
    /// Reads and validates the settings.
    ///
    /// # Errors
    /// [`SettingsError`] for the first invalid setting.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load_with(self.config.as_deref(), &self.env_file)
    }
}

/// Runs a program with its command line. If it fails, prints one line that begins with the name of the program.
pub fn run<A: Parser, T: Termination>(program: impl FnOnce(&A) -> anyhow::Result<T>) -> ExitCode {
    exit::<A, T>(program(&A::parse()))
}

/// Like [`run`], on a tokio runtime.
pub fn run_async<A: Parser, T: Termination, F>(program: impl FnOnce(A) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<T>>,
{
    let runtime = Runtime::new().map_err(anyhow::Error::from);
    exit::<A, T>(runtime.and_then(|runtime| runtime.block_on(program(A::parse()))))
}

fn exit<A: Parser, T: Termination>(outcome: anyhow::Result<T>) -> ExitCode {
    match outcome {
        Ok(outcome) => outcome.report(),
        Err(error) => {
            eprintln!("{}: {error:#}", A::command().get_name());
            ExitCode::FAILURE
        }
    }
}

/// The exit code of a server: success if it was stopped on request and in time. Otherwise the reason is in the log.
#[must_use]
pub fn exit_code(is_clean: bool) -> ExitCode {
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns the help of a program and of each of its subcommands.
#[must_use]
pub fn help<A: Parser>() -> String {
    fn add(command: &mut clap::Command, text: &mut String) {
        text.push_str(&command.render_long_help().to_string());
        for subcommand in command.get_subcommands_mut() {
            if subcommand.get_name() != "help" {
                text.push_str("\n----\n\n");
                add(subcommand, text);
            }
        }
    }
    let mut command = A::command();
    command.build();
    let mut text = String::new();
    add(&mut command, &mut text);
    text
}
