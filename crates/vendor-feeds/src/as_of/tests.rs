//! Instants in each format, and the errors of other texts.

use super::*;

fn as_of(format: AsOfFormat, zone: Option<&str>) -> AsOf {
    AsOf::new(&AsOfOptions {
        field: "/as_of".to_owned(),
        format,
        zone: zone.map(str::to_owned),
    })
    .unwrap()
}

fn pattern(pattern: &str, zone: Option<&str>) -> AsOf {
    as_of(AsOfFormat::Pattern(pattern.to_owned()), zone)
}

fn read(as_of: &AsOf, text: &str) -> Result<String, String> {
    let instant = as_of.read(&Value::Text(text.into()))?;
    Ok(instant.to_string().replace(".000000Z", "Z"))
}

const BERLIN: Option<&str> = Some("Europe/Berlin");

#[test]
fn rfc_3339_is_read_with_other_offsets_and_without() {
    let utc = as_of(AsOfFormat::Rfc3339, None);
    let berlin = as_of(AsOfFormat::Rfc3339, BERLIN);
    for (text, expected) in [
        ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
        ("2026-11-23T13:00:00+01:00", "2026-11-23T12:00:00Z"),
        ("2026-11-23T13:00:00+0100", "2026-11-23T12:00:00Z"),
        ("2026-11-23T13:00:00+01", "2026-11-23T12:00:00Z"),
        ("2026-11-23 07:00:00.5-05:00", "2026-11-23T12:00:00.500000Z"),
        (
            "2026-11-23T12:00:00.1234567+0000",
            "2026-11-23T12:00:00.123456Z",
        ),
    ] {
        assert_eq!(read(&utc, text).as_deref(), Ok(expected), "{text}");
        assert_eq!(read(&berlin, text).as_deref(), Ok(expected), "{text}");
    }
    for (text, expected) in [
        ("2026-11-23T13:00:00", "2026-11-23T12:00:00Z"),
        ("2026-07-23T14:00", "2026-07-23T12:00:00Z"),
        ("2026-11-23 13:00:00.25", "2026-11-23T12:00:00.250000Z"),
        // Twice on this day: the earlier instant.
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
    ] {
        assert_eq!(read(&berlin, text).as_deref(), Ok(expected), "{text}");
        assert_eq!(
            read(&utc, text).unwrap_err(),
            format!(
                "/as_of is {text:?}, without an offset (format.as_of_zone states the time zone)"
            )
        );
    }
    assert_eq!(
        read(&berlin, "2026-03-29T02:30:00").unwrap_err(),
        "/as_of is \"2026-03-29T02:30:00\", a time that the clocks of Europe/Berlin skipped"
    );
    for text in [
        "",
        "yesterday",
        "2026-11-23",
        "12:00",
        "2026-11-23T12:00:00Z[UTC]",
        "23.11.2026 12:00",
    ] {
        assert_eq!(
            read(&berlin, text).unwrap_err(),
            format!(
                "/as_of is {text:?}, expected a date and time such as 2026-11-23T12:00:00Z \
                 (format.as_of_format states another notation)"
            )
        );
    }
}

#[test]
fn epochs_are_read_from_numbers_and_texts() {
    let seconds = as_of(AsOfFormat::Unix, None);
    let millis = as_of(AsOfFormat::UnixMs, None);
    for (as_of, number, expected) in [
        (&seconds, "1795435200", "2026-11-23T12:00:00Z"),
        (&seconds, "1795435200.0", "2026-11-23T12:00:00Z"),
        (
            &seconds,
            "1795435200.1234567899",
            "2026-11-23T12:00:00.123456Z",
        ),
        (&seconds, "-1", "1969-12-31T23:59:59Z"),
        (&seconds, "-0.00000000001", "1969-12-31T23:59:59.999999Z"),
        (&millis, "1795435200250", "2026-11-23T12:00:00.250000Z"),
        (&millis, "1795435200250.7519", "2026-11-23T12:00:00.250751Z"),
    ] {
        for value in [Value::Number(number.into()), Value::Text(number.into())] {
            let read = as_of.read(&value).unwrap().to_string();
            assert_eq!(read.replace(".000000Z", "Z"), expected, "{number}");
        }
    }
    assert_eq!(
        seconds
            .read(&Value::Number("1795435200250".into()))
            .unwrap_err(),
        "/as_of is 1795435200250, which is not in the years 0 to 9999 (format.as_of_format = \"unix_ms\" reads milliseconds)"
    );
    for invalid in ["", "-", ".5", "5.", "1e9", "0x10", "+5"] {
        assert_eq!(
            read(&seconds, invalid).unwrap_err(),
            format!("/as_of is {invalid:?}, expected a number of seconds since 1970")
        );
    }
    let digits = "9".repeat(60);
    assert!(
        read(&millis, &digits)
            .unwrap_err()
            .contains("years 0 to 9999")
    );
}

#[test]
fn http_dates_are_read() {
    let as_of = as_of(AsOfFormat::HttpDate, BERLIN);
    assert_eq!(
        read(&as_of, "Mon, 23 Nov 2026 12:00:00 GMT").as_deref(),
        Ok("2026-11-23T12:00:00Z")
    );
    assert_eq!(
        read(&as_of, "2026-11-23").unwrap_err(),
        "/as_of is \"2026-11-23\", expected a date such as Mon, 23 Nov 2026 12:00:00 GMT"
    );
}

#[test]
fn patterns_are_read() {
    for (format, text, expected) in [
        ("%d.%m.%Y %H:%M", "23.11.2026 13:00", "2026-11-23T12:00:00Z"),
        (
            "%m/%d/%Y %I:%M %p",
            "11/23/2026 01:00 PM",
            "2026-11-23T12:00:00Z",
        ),
        ("%Y%m%d", "20261123", "2026-11-22T23:00:00Z"),
        (
            "%Y-%m-%d %H:%M:%S %z",
            "2026-11-23 07:00:00 -0500",
            "2026-11-23T12:00:00Z",
        ),
        ("%s", "1795435200", "2026-11-23T12:00:00Z"),
        ("%d.%m.%Y %H:%M", "25.10.2026 02:30", "2026-10-25T00:30:00Z"),
    ] {
        assert_eq!(
            read(&pattern(format, BERLIN), text).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
    let date = pattern("%Y%m%d", BERLIN);
    assert!(date.read(&Value::Number("20261123".into())).is_ok());
    assert_eq!(
        read(&date, "2026-11-23").unwrap_err(),
        "/as_of is \"2026-11-23\", expected a time of the pattern %Y%m%d"
    );
    assert_eq!(
        read(&pattern("%Y%m%d", None), "20261123").unwrap_err(),
        "/as_of is \"20261123\", without an offset (format.as_of_zone states the time zone)"
    );
}

#[test]
fn value_that_is_not_an_instant_is_shown() {
    let as_of = as_of(AsOfFormat::Rfc3339, None);
    let expected = "expected a date and time such as 2026-11-23T12:00:00Z";
    let hint = " (format.as_of_format states another notation)";
    for (value, shown, hint) in [
        (Value::Missing, "is missing", ""),
        (Value::Other("null".into()), "is null", ""),
        (Value::Number("1763899200".into()), "is 1763899200", hint),
    ] {
        assert_eq!(
            as_of.read(&value).unwrap_err(),
            format!("/as_of {shown}, {expected}{hint}")
        );
    }
}

#[test]
fn invalid_options_are_refused() {
    let options = |format, zone: Option<&str>| AsOfOptions {
        field: String::new(),
        format,
        zone: zone.map(str::to_owned),
    };
    assert_eq!(
        AsOf::new(&options(AsOfFormat::Rfc3339, Some("Europe/Atlantis"))).unwrap_err(),
        "format.as_of_zone is \"Europe/Atlantis\", which is not a time zone of this system's database"
    );
    for (pattern, problem) in [
        ("%H:%M", "format.as_of_format is \"%H:%M\": it has no date"),
        ("%Y-%!", "format.as_of_format is \"%Y-%!\": "),
        (
            "yyyy-MM-dd",
            "format.as_of_format is \"yyyy-MM-dd\": it has no date",
        ),
    ] {
        let format = AsOfFormat::Pattern(pattern.to_owned());
        let error = AsOf::new(&options(format, None)).unwrap_err();
        assert!(error.starts_with(problem), "{error}");
    }
}
