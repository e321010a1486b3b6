//! The facts of MLSD (RFC 3659, section 7), and the times of MLSD and MDTM.

use domain::timestamp::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// One line of MLSD.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'l> {
    pub(super) name: &'l str,
    pub(super) kind: Kind,
    /// The size in bytes.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Timestamp>,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A link, whose size and time are its own, or something else.
    Other,
}

/// Parses `fact=value;fact=value; name`; `None` for another line.
pub(super) fn parse_entry<'l>(line: &'l str, zone: &TimeZone) -> Option<Entry<'l>> {
    let (facts, name) = line.split_once(' ')?;
    let mut entry = Entry {
        name,
        kind: Kind::Other,
        size: None,
        modified: None,
    };
    for fact in facts.split(';') {
        let (fact, value) = fact.split_once('=').unwrap_or((fact, ""));
        match fact.to_ascii_lowercase().as_str() {
            "type" => {
                entry.kind = match value.to_ascii_lowercase().as_str() {
                    "file" => Kind::File,
                    "dir" | "cdir" | "pdir" => Kind::Directory,
                    _ => Kind::Other,
                }
            }
            "size" => entry.size = value.parse().ok(),
            "modify" => entry.modified = parse_time(value, zone),
            _ => {}
        }
    }
    Some(entry)
}

/// Parses `YYYYMMDDHHMMSS`, with or without a fraction. A time that occurs twice in the zone is the first, and one that its
/// clocks skipped is the earlier of the two that it may mean: never later than it was.
pub(super) fn parse_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| whole[from..to].parse::<i16>().ok();
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let civil = DateTime::new(
        part(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        // A leap second.
        small(12)?.min(59),
        nanos.parse().ok()?,
    )
    .ok()?;
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let earlier = match ambiguous.offset() {
        // `earlier` is the later of the two instants here.
        AmbiguousOffset::Gap { before, after } => {
            let instants = [
                before.to_timestamp(civil).ok()?,
                after.to_timestamp(civil).ok()?,
            ];
            instants.into_iter().min()?
        }
        _ => ambiguous.earlier().ok()?,
    };
    Timestamp::parse_unix_nanos(earlier.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(text).ok()
    }

    #[test]
    fn facts_of_servers_are_read() {
        let modified = at("2026-11-01T08:00:00Z");
        for (line, name, kind, size) in [
            // pyftpdlib 2.2.0
            (
                "modify=20261101080000;perm=r;size=17;type=file;unique=fe01g2; stock.csv",
                "stock.csv",
                Kind::File,
                Some(17),
            ),
            // Pure-FTPd 1.0.50
            (
                "type=OS.unix=slink:;siz=9;modify=20261101080000;UNIX.mode=0777; latest.csv",
                "latest.csv",
                Kind::Other,
                None,
            ),
            // ProFTPD 1.3.8
            (
                "modify=20261101080000;perm=adfr;size=9;type=OS.unix=symlink;UNIX.group=1; latest.csv",
                "latest.csv",
                Kind::Other,
                Some(9),
            ),
            (
                "Modify=20261101080000;Type=Dir; a b",
                "a b",
                Kind::Directory,
                None,
            ),
            (
                "modify=20261101080000;type=cdir; .",
                ".",
                Kind::Directory,
                None,
            ),
        ] {
            let expected = Entry {
                name,
                kind,
                size,
                modified,
            };
            assert_eq!(parse_entry(line, &TimeZone::UTC), Some(expected), "{line}");
        }
        let without_facts = parse_entry(" stock.csv", &TimeZone::UTC).unwrap();
        assert_eq!(without_facts.name, "stock.csv");
        assert_eq!(without_facts.kind, Kind::Other);
        assert_eq!(parse_entry("stock.csv", &TimeZone::UTC), None);
    }

    #[test]
    fn time_is_read_in_the_zone_and_never_as_later() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, zone, expected) in [
            ("20261101080000", &TimeZone::UTC, at("2026-11-01T08:00:00Z")),
            (
                "20261101080000.123",
                &TimeZone::UTC,
                at("2026-11-01T08:00:00.123Z"),
            ),
            ("20261231235960", &TimeZone::UTC, at("2026-12-31T23:59:59Z")),
            ("20261101080000", &berlin, at("2026-11-01T07:00:00Z")),
            // Twice: 00:30Z and 01:30Z.
            ("20261025023000", &berlin, at("2026-10-25T00:30:00Z")),
            // Skipped: 00:30Z or 01:30Z.
            ("20260329023000", &berlin, at("2026-03-29T00:30:00Z")),
            ("20261301080000", &TimeZone::UTC, None),
            ("2026110108000", &TimeZone::UTC, None),
            ("20261101080000Z", &TimeZone::UTC, None),
            ("20261101 80000", &TimeZone::UTC, None),
            ("20261101080000.", &TimeZone::UTC, None),
        ] {
            assert_eq!(parse_time(text, zone), expected, "{text}");
        }
    }
}
