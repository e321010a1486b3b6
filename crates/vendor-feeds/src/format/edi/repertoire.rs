//! The character encoding of an EDIFACT interchange.

use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8,
    UTF_8, WINDOWS_1252, WINDOWS_1254,
};

/// The encoding of the syntax identifier in UNB (code list 0001). UNOA and UNOB are subsets of ASCII, which is UTF-8; UNOX
/// switches between repertoires and is not supported, so that its bytes are read as UTF-8 and refused if they are not.
pub(super) fn declared_charset(start: &[u8]) -> Option<&'static Encoding> {
    let mut rest = start.trim_ascii_start();
    if rest.starts_with(b"UNA") {
        rest = rest.get(9..)?.trim_ascii_start();
    }
    let identifier = rest.strip_prefix(b"UNB")?.get(1..5)?;
    Some(match identifier {
        // By the WHATWG's Encoding Standard, windows-1252 is the encoding of the label iso-8859-1, and windows-1254 of -9.
        b"UNOC" => WINDOWS_1252,
        b"UNOD" => ISO_8859_2,
        b"UNOE" => ISO_8859_5,
        b"UNOF" => ISO_8859_7,
        b"UNOG" => ISO_8859_3,
        b"UNOH" => ISO_8859_4,
        b"UNOI" => ISO_8859_6,
        b"UNOJ" => ISO_8859_8,
        b"UNOK" => WINDOWS_1254,
        b"UNOY" => UTF_8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_that_of_the_syntax_identifier() {
        for (text, expected) in [
            ("UNB+UNOA:3+A+B+", None),
            ("UNB+UNOC:3+A+B+", Some("windows-1252")),
            ("\r\nUNA:+.? 'UNB+UNOD:3+A", Some("ISO-8859-2")),
            ("UNA:+.? '\r\nUNB+UNOE:3+A", Some("ISO-8859-5")),
            ("UNB+UNOF:3+A", Some("ISO-8859-7")),
            ("UNB+UNOY:4+A", Some("UTF-8")),
            ("UNB\u{1d}UNOC\u{1f}3", Some("windows-1252")),
            ("UNB+UNO", None),
            ("UNA:+.", None),
            ("", None),
        ] {
            let found = declared_charset(text.as_bytes()).map(Encoding::name);
            assert_eq!(found, expected, "{text}");
        }
    }
}
