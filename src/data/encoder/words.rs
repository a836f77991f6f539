//! Cutting words out of texts.

use super::plan::Tokenizer;

/// Calls `word` for each word of `text`, in order, until it says `false`.
///
/// `Words`: runs of letters, digits and marks, with `'` or `’` inside (`don't`); what stands in `<…>` without white space is one word (`<pad>`); everything else separates.
/// `Whitespace`: whatever stands between white space.
pub(crate) fn for_each_word<'a>(text: &'a str, tokenizer: Tokenizer, mut word: impl FnMut(&'a str) -> bool) {
    match tokenizer {
        Tokenizer::Whitespace => {
            for token in text.split_whitespace() {
                if !word(token) {
                    return;
                }
            }
        }
        Tokenizer::Words => {
            let mut rest = text;
            while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || c == '<') {
                rest = &rest[start..];
                let length = bracketed(rest).unwrap_or_else(|| run(rest));
                if length > 0 && !word(&rest[..length]) {
                    return;
                }
                rest = &rest[length.max(1)..];
            }
        }
    }
}

/// Bytes of `<…>` at the start of `text`.
fn bracketed(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let end = inside.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '/'))?;
    (end > 0 && inside[end..].starts_with('>')).then_some(end + 2)
}

/// Bytes of the run of letters and digits at the start of `text`.
fn run(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let inside =
            matches!(c, '\'' | '’') && at > 0 && characters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if !(c.is_alphanumeric() || inside) {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, tokenizer: Tokenizer) -> Vec<&str> {
        let mut words = Vec::new();
        for_each_word(text, tokenizer, |word| {
            words.push(word);
            true
        });
        words
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let of = |text| words(text, Tokenizer::Words);
        assert_eq!(of("Don't panic, it's 42!"), ["Don't", "panic", "it's", "42"]);
        assert_eq!(of("<pad> the cat < 3 'quoted' l’été"), ["<pad>", "the", "cat", "3", "quoted", "l’été"]);
        assert_eq!(of("<s>a</s>"), ["<s>", "a", "</s>"]);
        assert_eq!(of(" ,;<> "), Vec::<&str>::new());
        assert_eq!(of("naïve日本語"), ["naïve日本語"]);
        assert_eq!(words(" a.b  C,d ", Tokenizer::Whitespace), ["a.b", "C,d"]);
    }

    #[test]
    fn the_caller_may_stop() {
        let mut count = 0;
        for_each_word("a b c d", Tokenizer::Words, |_| {
            count += 1;
            count < 2
        });
        assert_eq!(count, 2);
    }
}
