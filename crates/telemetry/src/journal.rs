//! Log lines for journald, which adds time, program and process id itself and takes the priority from a prefix
//! (`sd-daemon(3)`).

use std::ffi::OsStr;
use std::os::fd::AsFd;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Returns whether `output` is the connection to the journal that the variable `JOURNAL_STREAM` describes as
/// `<device>:<inode>`. A program that inherits the variable, but whose output is redirected, does not log to the journal.
pub(crate) fn is_journal(journal_stream: Option<&OsStr>, output: impl AsFd) -> bool {
    let described = journal_stream
        .and_then(OsStr::to_str)
        .and_then(|text| text.split_once(':'))
        .and_then(|(device, inode)| {
            Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
        });
    let Some((device, inode)) = described else {
        return false;
    };
    rustix::fs::fstat(output).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode))
}

/// Formats events with `inner`, after the priority if `is_enabled`.
pub(crate) struct WithPriority<F> {
    pub(crate) inner: F,
    pub(crate) is_enabled: bool,
}

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if self.is_enabled {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        self.inner.format_event(context, writer, event)
    }
}

/// The priority of `syslog(3)`.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn journal_is_recognised_by_device_and_inode() {
        let (output, other) = UnixStream::pair().unwrap();
        let stat = rustix::fs::fstat(&output).unwrap();
        let described = OsString::from(format!("{}:{}", stat.st_dev, stat.st_ino));
        assert!(is_journal(Some(&described), &output));
        assert!(!is_journal(Some(&described), &other));
        assert!(!is_journal(None, &output));
        for invalid in ["", "1", "a:b", ":", "-1:2"] {
            assert!(!is_journal(Some(OsStr::new(invalid)), &output), "{invalid}");
        }
    }
}
