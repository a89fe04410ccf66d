//! Texts of hexadecimal digits in half of their space: a day of events may name a million sessions, most of them by such a text.

use std::borrow::Cow;

/// Where a UUID has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];
/// The length of a UUID.
const UUID: usize = 36;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What the bytes of a text are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Plain,
    /// Two digits a byte.
    Hex,
    /// The same without the dashes.
    Uuid,
}

/// Puts the bytes of a text in place of what was there. Each text has one form.
pub(super) fn pack(text: &str, bytes: &mut Vec<u8>) -> Form {
    let is_uuid = text.len() == UUID && DASHES.iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
    let is_digit = |(place, _): &(usize, u8)| !(is_uuid && DASHES.contains(place));
    let digits = || text.bytes().enumerate().filter(is_digit).map(|(_, byte)| value(byte));
    bytes.clear();
    let mut halves = digits();
    while let (Some(Some(high)), Some(Some(low))) = (halves.next(), halves.next()) {
        bytes.push(high << 4 | low);
    }
    match (is_uuid, 2 * bytes.len() == digits().count()) {
        (true, true) => Form::Uuid,
        (false, true) => Form::Hex,
        (_, false) => {
            bytes.clear();
            bytes.extend_from_slice(text.as_bytes());
            Form::Plain
        }
    }
}

/// The text again.
pub(super) fn unpack(form: Form, bytes: &[u8]) -> Cow<'_, str> {
    if form == Form::Plain {
        return String::from_utf8_lossy(bytes);
    }
    let mut text = String::with_capacity(UUID);
    for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        if form == Form::Uuid && DASHES.contains(&text.len()) {
            text.push('-');
        }
        text.extend(DIGITS.get(usize::from(half)).map(|digit| char::from(*digit)));
    }
    Cow::Owned(text)
}

/// The value of a digit; large letters are none, for they would come back as small ones.
const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_take_half_of_their_space() {
        let mut bytes = vec![7];
        for (text, form, length) in [
            ("0123456789abcdef0123456789abcdef", Form::Hex, 16),
            ("01234567-89ab-cdef-0123-456789abcdef", Form::Uuid, 16),
            ("01234567-89ab-cdef-0123-456789abcdeg", Form::Plain, 36),
            ("01234567-89ab-cdef-0123-456789abcde-", Form::Plain, 36),
            ("01234567089ab-cdef-0123-456789abcdef", Form::Plain, 36),
            ("ABCD", Form::Plain, 4),
            ("abc", Form::Plain, 3),
            ("s-17", Form::Plain, 4),
            ("déjà", Form::Plain, 6),
            ("", Form::Hex, 0),
        ] {
            assert_eq!((pack(text, &mut bytes), bytes.len()), (form, length), "{text}");
            assert_eq!(unpack(form, &bytes), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in prop_oneof![
            ".{0,40}",
            "[0-9a-f]{0,40}",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fx]{12}",
            "[0-9a-f-]{36}",
        ]) {
            let mut bytes = Vec::new();
            let form = pack(&text, &mut bytes);
            prop_assert_eq!(unpack(form, &bytes), text);
        }
    }
}
