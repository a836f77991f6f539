//! What the characters of one cell say: nothing, a number, a time, yes or no. Columns are judged in `columns`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The texts that mean "no value".
#[derive(Clone, Debug)]
pub(crate) struct Markers {
    words: Vec<String>,
    /// Some marker looks like a number (`-999`), so that numbers must be compared too.
    pub(in crate::data) numeric: bool,
}

/// What means "no value" where the client does not say; in any case of letters.
pub(crate) const USUAL_MARKERS: [&str; 6] = ["NA", "N/A", "null", "NaN", "?", "-"];

impl Markers {
    pub(crate) fn new(words: Option<&[String]>) -> Markers {
        let words: Vec<String> = match words {
            Some(words) => words.iter().filter(|word| !word.is_empty()).cloned().collect(),
            None => USUAL_MARKERS.map(str::to_owned).to_vec(),
        };
        let numeric = words.iter().any(|word| word.bytes().any(|b| b.is_ascii_digit()));
        Markers { words, numeric }
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the cell, which may have white space around it, means "no value".
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        let cell = cell.trim_ascii();
        cell.is_empty() || self.words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(cell))
    }
}

/// A finite number in decimal or scientific notation with `decimal` as its mark, white space around it allowed. No `inf`, no `nan`, no grouping, and nothing
/// that is too large for an f64.
pub(crate) fn parse_number(cell: &[u8], decimal: u8) -> Option<f64> {
    let cell = cell.trim_ascii();
    if let Some(x) = short_number(cell, decimal) {
        return Some(x);
    }
    let body = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    if !body.first().is_some_and(|b| b.is_ascii_digit() || *b == decimal) {
        return None;
    }
    let parsed = if decimal == b'.' {
        std::str::from_utf8(cell).ok()?.parse::<f64>().ok()?
    } else {
        let mut text = [0u8; 64];
        let text = text.get_mut(..cell.len())?;
        for (to, from) in text.iter_mut().zip(cell) {
            *to = match *from {
                b'.' => return None,
                b if b == decimal => b'.',
                b => b,
            };
        }
        std::str::from_utf8(text).ok()?.parse::<f64>().ok()?
    };
    parsed.is_finite().then_some(parsed)
}

/// Up to 18 digits with or without a mark, which most numbers are. `None` leaves the cell to the library's parser.
fn short_number(cell: &[u8], decimal: u8) -> Option<f64> {
    let (negative, body) = match cell {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, cell),
    };
    if body.len() > 19 {
        return None;
    }
    let (mut whole, mut digits, mut behind, mut marked) = (0u64, 0usize, 0usize, false);
    for &byte in body {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
            digits += 1;
            behind += usize::from(marked);
        } else if byte == decimal && !marked {
            marked = true;
        } else {
            return None;
        }
    }
    plain_number(negative, whole, digits, behind)
}

/// The number nearest to these digits, `behind` of them behind the mark. `None` where there are none, or too many.
#[inline]
pub(super) fn plain_number(negative: bool, whole: u64, digits: usize, behind: usize) -> Option<f64> {
    if digits == 0 || digits > 18 {
        return None;
    }
    // Where whole number and power of ten are exact in an f64, their quotient is the nearest number (Clinger 1990).
    let x = if whole <= 1 << 53 { whole as f64 / EXACT_POWERS_OF_TEN[behind] } else { quotient(whole, behind) };
    // The sign's bit, without a branch: signs cannot be foreseen.
    Some(f64::from_bits(x.to_bits() | u64::from(negative) << 63))
}

/// The number nearest to `whole` (not 0) over a power of ten up to the 18th: a quotient of 63 or 64 bits, the last of them set where
/// there is a remainder, rounds as the endless one does.
fn quotient(whole: u64, power: usize) -> f64 {
    let divisor = POWERS_OF_TEN[power];
    let shift = 63 + divisor.ilog2() - whole.ilog2();
    let dividend = u128::from(whole) << shift;
    let (bits, rest) = (dividend / u128::from(divisor), dividend % u128::from(divisor));
    let nearest = (bits as u64 | u64::from(rest != 0)) as f64;
    // A power of two, and the result is far from the least numbers: exact.
    nearest * f64::from_bits(u64::from(1023 - shift) << 52)
}

pub(super) const POWERS_OF_TEN: [u64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// The same; each is exact in an f64, up to the 22nd.
const EXACT_POWERS_OF_TEN: [f64; 19] = {
    let mut powers = [1.0; 19];
    let mut i = 0;
    while i < powers.len() {
        powers[i] = POWERS_OF_TEN[i] as f64;
        i += 1;
    }
    powers
};

/// Whole digits behind a leading zero: a code such as a postal code, whose zero is part of it.
pub(super) fn is_code(cell: &[u8]) -> bool {
    cell.len() > 1 && cell[0] == b'0' && cell.iter().all(u8::is_ascii_digit)
}

/// Words for no and yes, in any case.
pub(super) const BOOLEAN_PAIRS: [(&str, &str); 5] =
    [("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on")];

/// Whether this is one of the words for yes and no.
pub(crate) fn is_boolean_word(text: &str) -> bool {
    BOOLEAN_PAIRS.iter().any(|(no, yes)| text.eq_ignore_ascii_case(no) || text.eq_ignore_ascii_case(yes))
}

/// Yes or no, as a word in any case or as 1 or 0.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => BOOLEAN_PAIRS.iter().find_map(|(no, yes)| {
            if text.eq_ignore_ascii_case(yes) { Some(true) } else { text.eq_ignore_ascii_case(no).then_some(false) }
        }),
    }
}

/// An ISO 8601 date or time as milliseconds since 1970; without an offset it is UTC.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.len() < 10
        || !bytes.is_ascii()
        || !bytes[..4].iter().all(u8::is_ascii_digit)
        || !matches!(bytes[4], b'-' | b'/')
    {
        return None;
    }
    let mut normal = text.to_owned();
    if bytes[4] == b'/' {
        normal.replace_range(..10, &text[..10].replace('/', "-"));
    }
    if normal.len() == 10 {
        return NaiveDate::parse_from_str(&normal, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
            .map(|t| t.and_utc().timestamp_millis());
    }
    if normal.as_bytes()[10] == b' ' {
        normal.replace_range(10..11, "T");
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(&normal) {
        return Some(time.timestamp_millis());
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%MZ"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&normal, form).ok())
        .map(|time| time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The short way gives the bits of the library's.
        #[test]
        fn numbers_are_read_to_the_nearest(text in "[-+]?[0-9]{0,12}[.]?[0-9]{0,12}(e-?[0-9]{1,3})?") {
            let library = text.parse::<f64>().ok().filter(|x| x.is_finite());
            prop_assert_eq!(parse_number(text.as_bytes(), b'.').map(f64::to_bits), library.map(f64::to_bits));
        }

        /// As many digits as an f64 in full has, or a few more: the quotient's bits are the library's.
        #[test]
        fn numbers_of_many_digits_are_read_to_the_nearest(digits in "[1-9][0-9]{15,17}", mark in 0usize..18) {
            let text = format!("{}.{}", &digits[..mark.min(digits.len())], &digits[mark.min(digits.len())..]);
            let expected = text.parse::<f64>().unwrap().to_bits();
            prop_assert_eq!(short_number(text.as_bytes(), b'.').map(f64::to_bits), Some(expected));
        }
    }

    /// Halfway between two numbers the even one is the nearest.
    #[test]
    fn ties_go_to_the_even_number() {
        for text in
            ["9007199254740993", "9007199254740995", "900719925474099.3", "4503599627370497.5", "18014398509481990"]
        {
            let expected = text.parse::<f64>().unwrap().to_bits();
            assert_eq!(short_number(text.as_bytes(), b'.').map(f64::to_bits), Some(expected), "{text}");
        }
    }
}
