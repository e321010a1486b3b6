//! The encoding that an XML document declares.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// The encoding of the XML declaration (XML 1.0, 4.3.3 and F.1), from the first bytes of a document without a byte order mark.
///
/// A declaration that can be read byte by byte is not UTF-16, whatever it declares: .NET's `StringWriter` declares `utf-16`, and
/// its text is then often stored in UTF-8.
pub(super) fn declared_charset(start: &[u8]) -> Option<&'static Encoding> {
    if start.starts_with(&[b'<', 0]) {
        return Some(UTF_16LE);
    }
    if start.starts_with(&[0, b'<']) {
        return Some(UTF_16BE);
    }
    let declaration = start.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|pair| pair == b"?>")?;
    let declaration = str::from_utf8(&declaration[..end]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|char| "'\"".contains(*char))?;
    let (label, _) = value[1..].split_once(quote)?;
    Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_ascii_compatible())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_encoding_is_found() {
        let utf_16 = "<?xml version=\"1.0\"?>".encode_utf16();
        let utf_16: Vec<u8> = utf_16.flat_map(u16::to_le_bytes).collect();
        assert_eq!(declared_charset(&utf_16), Some(UTF_16LE));
        assert_eq!(declared_charset(&utf_16[1..]), None);
        for (text, expected) in [
            ("<?xml version='1.0' encoding='UTF-8'?><a/>", Some("UTF-8")),
            (
                "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
                Some("windows-1252"),
            ),
            (
                "\n<?xml version=\"1.0\" encoding = 'windows-1250' standalone='yes' ?>",
                Some("windows-1250"),
            ),
            ("<?xml version=\"1.0\" encoding=\"utf-16\"?>", None),
            ("<?xml version=\"1.0\" encoding=\"none\"?>", None),
            ("<?xml version=\"1.0\"?><a encoding='ISO-8859-2'/>", None),
            ("<?xml version=\"1.0\" encoding=\"\"?>", None),
            ("<?xml encoding=", None),
            ("<a/>", None),
            ("", None),
        ] {
            let found = declared_charset(text.as_bytes()).map(Encoding::name);
            assert_eq!(found, expected, "{text}");
        }
    }
}
