//! Percent-decoding of user information in URLs.

use percent_encoding::percent_decode_str;

/// The text with every `%XX` replaced by its byte; `+` stays. Bytes that are not UTF-8 become U+FFFD, and a `%` without
/// two hex digits stays as it is.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_escapes_are_decoded() {
        for (text, expected) in [
            ("", ""),
            ("hun%40ter2", "hun@ter2"),
            ("a+b", "a+b"),
            ("a&b=c", "a&b=c"),
            ("%C3%A9", "é"),
            ("%ff", "\u{fffd}"),
            ("100%", "100%"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_encoded_text_is_read_back(text in ".{0,100}") {
            prop_assert_eq!(decode(&utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()), text);
        }
    }
}
