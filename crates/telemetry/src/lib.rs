//! Logging: output, format and filter of log lines.
//!
//! Each event is one line on standard error; standard output is left to the program. Control characters are escaped, so that
//! a logged value cannot end its line early, forge another line or control a terminal.
//!
//! If standard error is the systemd journal, a line begins with its priority, and text lines have no time, which the journal
//! adds.

mod journal;
pub mod request_id;

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::{self, MakeWriter, format};

use journal::WithPriority;
use request_id::{IdPosition, WithRequestId};

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Human-readable; coloured on a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging cannot be started.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is invalid.
    #[error(
        "{origin} is {text:?}: {reason}; expected a level, or levels by module as in info,worker=debug"
    )]
    Filter {
        /// The setting or variable that has the filter.
        origin: &'static str,
        /// The filter.
        text: String,
        /// Why the filter is invalid.
        reason: String,
    },
    /// Logging has already been started in this process.
    #[error("logging has already been started")]
    AlreadyStarted,
}

/// Starts logging for the whole process. `filter` has the syntax of `RUST_LOG`; that variable takes precedence.
///
/// # Errors
/// [`TelemetryError`]. Logging is not started then.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let from_environment = std::env::var("RUST_LOG").ok();
    let filter = choose_filter(from_environment.as_deref(), filter)?;
    let journal_stream = std::env::var_os("JOURNAL_STREAM");
    let output = if journal::is_journal(journal_stream.as_deref(), io::stderr()) {
        Output::Journal
    } else if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Output::Terminal
    } else {
        Output::File
    };
    tracing::subscriber::set_global_default(subscriber(format, filter, output, io::stderr))
        .map_err(|_| TelemetryError::AlreadyStarted)
}

/// The kind of output that lines are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// A terminal that shows colours.
    Terminal,
    /// A file, a pipe, or a terminal without colours.
    File,
    /// The journal of systemd.
    Journal,
}

fn choose_filter(
    from_environment: Option<&str>,
    setting: &str,
) -> Result<EnvFilter, TelemetryError> {
    let (origin, text) = match from_environment.filter(|text| !text.trim().is_empty()) {
        Some(text) => ("the environment variable RUST_LOG", text),
        None => ("setting telemetry.filter", setting),
    };
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| TelemetryError::Filter {
            origin,
            text: text.to_owned(),
            reason: error.to_string(),
        })
}

fn subscriber<W>(
    format: Format,
    filter: EnvFilter,
    output: Output,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The subscriber would report a failed write on standard error, and panic if that fails too: on a full disk a log line
    // must not end the process.
    let is_enabled = output == Output::Journal;
    let builder = fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        Format::Json => {
            let builder = builder.json().flatten_event(true);
            let builder = builder.map_event_format(|inner| WithPriority {
                inner: WithRequestId {
                    inner,
                    position: IdPosition::JsonStart,
                },
                is_enabled,
            });
            Box::new(builder.finish())
        }
        Format::Text => {
            // The library escapes terminal control sequences but not line breaks, so fields are formatted here.
            let fields = format::debug_fn(|writer, field, value| {
                let value = log_text::one_line(&std::format!("{value:?}"));
                match field.name() {
                    "message" => write!(writer, "{value}"),
                    name => write!(writer, "{name}={value}"),
                }
            });
            let fields = fields.delimited(" ");
            let colour = output == Output::Terminal;
            let builder = builder.with_ansi(colour).fmt_fields(fields);
            if output == Output::Journal {
                let builder = builder.map_event_format(|inner| WithPriority {
                    inner: WithRequestId {
                        inner: inner.with_ansi(false).without_time(),
                        position: IdPosition::TextEnd,
                    },
                    is_enabled,
                });
                return Box::new(builder.finish());
            }
            let builder = builder.map_event_format(|inner| WithRequestId {
                inner: inner.with_ansi(colour),
                position: IdPosition::TextEnd,
            });
            Box::new(builder.finish())
        }
    }
}

fn fmt() -> fmt::SubscriberBuilder {
    fmt::Subscriber::builder()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span};

    use super::*;
    use crate::request_id::RequestId;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str, log: impl FnOnce()) -> String {
        logged_to(Output::File, format, filter, log)
    }

    fn logged_to(output: Output, format: Format, filter: &str, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = {
            let captured = captured.clone();
            move || captured.clone()
        };
        let filter = choose_filter(None, filter).unwrap();
        tracing::subscriber::with_default(subscriber(format, filter, output, writer), log);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    fn log_control_characters() {
        let hostile = "a\nERROR forged: \u{1b}[2J\u{9b}31m\r\u{7f}ü";
        let span = info_span!("request", path = %hostile);
        let _entered = span.enter();
        let failure = io::Error::other(hostile);
        error!(
            product.id = %hostile,
            text = hostile,
            debug = ?hostile,
            error = &failure as &dyn std::error::Error,
            "refused {hostile}"
        );
    }

    #[test]
    fn control_characters_are_escaped_in_text_lines() {
        let output = logged(Format::Text, "info", log_control_characters);
        assert_eq!(output.matches('\n').count(), 1, "{output:?}");
        assert!(output.ends_with('\n'));
        let line = output.trim_end_matches('\n');
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.contains("request{path=a\\nERROR forged"), "{line}");
        assert!(
            line.contains("product.id=a\\nERROR forged: \\u{1b}[2J"),
            "{line}"
        );
        assert!(line.contains("refused a\\n"), "{line}");
        assert!(line.contains('ü'), "{line}");
    }

    #[test]
    fn json_line_is_one_object() {
        let output = logged(Format::Json, "info", log_control_characters);
        assert_eq!(output.matches('\n').count(), 1, "{output:?}");
        let line: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(
            line["message"]
                .as_str()
                .unwrap()
                .starts_with("refused a\nERROR")
        );
        assert!(line["product.id"].is_string());
        assert_eq!(line["spans"][0]["name"], "request");
    }

    #[tokio::test]
    async fn lines_logged_within_a_request_have_its_id() {
        let id = || RequestId::parse(b"a\"b\\c").unwrap();
        let serve = |format| {
            let log = || info!(order.id = 7, "placed");
            let within = || {
                let trace_id = Some("0af7651916cd43dd8448eb211c80319c");
                let served = request_id::within(id(), trace_id, async { log() });
                futures_util::FutureExt::now_or_never(served).unwrap();
                log();
            };
            logged(format, "info", within)
        };
        let text = serve(Format::Text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let ids = r#" request.id=a"b\c trace_id=0af7651916cd43dd8448eb211c80319c"#;
        assert!(lines[0].ends_with(ids), "{text}");
        assert!(!lines[1].contains("request.id"), "{text}");
        let json = serve(Format::Json);
        let lines: Vec<serde_json::Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["request.id"], r#"a"b\c"#);
        assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(lines[0]["order.id"], 7);
        assert_eq!(lines[1].get("request.id"), None);
    }

    #[test]
    fn journal_lines_begin_with_their_priority_and_text_has_no_time() {
        let log = || {
            error!("a");
            tracing::warn!(order.id = 7, "b");
            info!("c");
            debug!("d");
        };
        let text = logged_to(Output::Journal, Format::Text, "debug", log);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "<3>ERROR telemetry::tests: a",
                "<4> WARN telemetry::tests: b order.id=7",
                "<6> INFO telemetry::tests: c",
                "<7>DEBUG telemetry::tests: d",
            ]
        );
        let json = logged_to(Output::Journal, Format::Json, "debug", log);
        let line = json.lines().nth(1).unwrap().strip_prefix("<4>").unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "WARN");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn filter_selects_the_logged_events() {
        let output = logged(Format::Text, "warn,telemetry=info", || {
            info!("shown");
            debug!("hidden");
            info!(target: "other", "hidden");
        });
        assert!(output.contains("shown"), "{output}");
        assert!(!output.contains("hidden"), "{output}");
    }

    #[test]
    fn variable_takes_precedence_over_the_setting() {
        let chosen = |variable, setting| choose_filter(variable, setting).map(|f| f.to_string());
        assert_eq!(chosen(Some("debug"), "info").unwrap(), "debug");
        assert_eq!(chosen(Some(" "), "info").unwrap(), "info");
        assert_eq!(chosen(None, "info").unwrap(), "info");
    }

    #[test]
    fn invalid_filter_is_named_in_the_error() {
        let message = |variable, setting| choose_filter(variable, setting).unwrap_err().to_string();
        let error = message(None, "a=b=c");
        assert!(
            error.starts_with("setting telemetry.filter is \"a=b=c\": "),
            "{error}"
        );
        let error = message(Some("worker=loud"), "info");
        assert!(
            error.starts_with("the environment variable RUST_LOG is "),
            "{error}"
        );
    }

    #[test]
    fn logging_can_be_started_only_once() {
        init(Format::Text, "info").unwrap();
        assert!(matches!(
            init(Format::Json, "info"),
            Err(TelemetryError::AlreadyStarted)
        ));
    }
}
