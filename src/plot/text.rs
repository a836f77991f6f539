//! Text that is safe and short enough to stand in a picture; not layout.

/// Drops what XML 1.0 forbids and shortens to `limit` characters, so that any name a client chose can be drawn.
///
/// The five characters with a meaning in XML are left as they are: whoever writes them escapes them.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (taken, c) in text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| drawable(*c)).enumerate()
    {
        if taken + 1 >= limit {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// Escapes text for an element's content or a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A guess at the width of `text` in pixels; there is no font to ask.
pub(super) fn width(text: &str, font_size: f64) -> f64 {
    text.chars().count() as f64 * font_size * 0.56
}

/// Writes a number with at most `digits` significant digits and no trailing zeros: `0.31`, `12500`, `2e-5`.
pub fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "–".into() };
    }
    // Rounded first, so that 9.9996 becomes 10 and takes the exponent of 10.
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent: i32 = scientific.rsplit('e').next().and_then(|e| e.parse().ok()).unwrap_or(0);
    if !(-4..=6).contains(&exponent) {
        let mantissa = scientific.split('e').next().unwrap_or_default();
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Says whether XML 1.0 can carry `c`, and whether it is something to see (bidirectional overrides are not).
fn drawable(c: char) -> bool {
    let control = c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !control && !matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_meaning() {
        let shown: Vec<String> =
            [0.0, 0.31, 9.9996, 12_500.0, 2e-5, -0.25, 1e9, 123.456].iter().map(|v| number(*v, 3)).collect();
        assert_eq!(shown, ["0", "0.31", "10", "12500", "2e-5", "-0.25", "1e9", "123"]);
    }

    #[test]
    fn a_name_loses_what_xml_forbids_and_is_shortened() {
        assert_eq!(printable("a\u{0}b\tc\u{202E}d", 10), "ab cd");
        assert_eq!(printable("abcdefgh", 5), "abcd…");
    }
}
