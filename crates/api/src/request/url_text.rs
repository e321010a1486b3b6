//! Strict percent-encoding: malformed text is rejected.

/// The reason why a text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidEncoding {
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// The bytes are not UTF-8.
    Utf8,
}

impl InvalidEncoding {
    /// The error message, to be appended to the name of the value.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Escape => "has a % that is not followed by two hexadecimal digits",
            Self::Utf8 => "is not UTF-8",
        }
    }
}

/// Decodes `%XX` once.
pub(crate) fn decode(text: &str) -> Result<String, InvalidEncoding> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next())?;
            let low = hex_digit(bytes.next())?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).map_err(|_| InvalidEncoding::Utf8)
}

/// Decodes a name or value of a query, where `+` is a space, as in forms.
pub(crate) fn decode_form(text: &str) -> Result<String, InvalidEncoding> {
    decode(&text.replace('+', " "))
}

/// Encodes a value for a query.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, InvalidEncoding> {
    byte.and_then(|byte| char::from(byte).to_digit(16))
        .and_then(|digit| u8::try_from(digit).ok())
        .ok_or(InvalidEncoding::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_once() {
        assert_eq!(decode("a%2Fb%252F+%c3%bc").as_deref(), Ok("a/b%2F+ü"));
        assert_eq!(decode_form("a+b%2Bc").as_deref(), Ok("a b+c"));
    }

    #[test]
    fn malformed_text_is_rejected() {
        for malformed in ["%", "%2", "a%zz", "%+1", "%é"] {
            assert_eq!(
                decode(malformed),
                Err(InvalidEncoding::Escape),
                "{malformed}"
            );
        }
        assert_eq!(decode("%ff"), Err(InvalidEncoding::Utf8));
    }

    #[test]
    fn encoded_text_decodes_to_itself() {
        let odd = "a/b &=+%?#ü\"";
        assert_eq!(decode_form(&encode(odd).to_string()).as_deref(), Ok(odd));
    }
}
