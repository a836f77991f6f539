//! The words that an embedding table has rows for. Shared by every input that names the table.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::hash::bucket;
use super::plan::TablePlan;

/// Row of the word that fills a window up.
pub const PAD: u32 = 0;
/// Row of every word that the vocabulary does not have.
pub const UNKNOWN: u32 = 1;

const PAD_WORD: &str = "<pad>";
const UNKNOWN_WORD: &str = "<unk>";

/// A fitted vocabulary: row 0 is `<pad>`, row 1 `<unk>`, then given words in their order, then words of the training part by falling count (equal
/// counts by bytes). Of a hashed one the other rows are buckets, which are called `#0`, `#1`, ….
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Vocabulary {
    name: String,
    lowercase: bool,
    words: Vec<String>,
    counts: Vec<u64>,
    /// Buckets that words are spread over by their hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buckets: Option<u32>,
    #[serde(skip)]
    rows: HashMap<String, u32>,
}

/// What is kept of a vocabulary; the index is made again.
#[derive(Deserialize)]
struct Stored {
    name: String,
    lowercase: bool,
    words: Vec<String>,
    counts: Vec<u64>,
    #[serde(default)]
    buckets: Option<u32>,
}

impl From<Stored> for Vocabulary {
    fn from(Stored { name, lowercase, words, counts, buckets }: Stored) -> Vocabulary {
        let known = if buckets.is_some() { 2 } else { words.len() };
        let rows = words.iter().take(known).enumerate().map(|(row, word)| (word.clone(), row as u32)).collect();
        // More buckets than rows would lead behind the table.
        let buckets = buckets.map(|buckets| buckets.min(words.len().saturating_sub(2) as u32));
        Vocabulary { name, lowercase, words, counts, buckets, rows }
    }
}

/// Counts words before a vocabulary is made of them.
#[derive(Debug)]
pub(super) struct WordCounter<'a> {
    plan: &'a TablePlan,
    counts: HashMap<String, u64>,
    /// Missing categories.
    missing: u64,
}

impl<'a> WordCounter<'a> {
    pub(super) fn new(plan: &'a TablePlan) -> WordCounter<'a> {
        WordCounter { plan, counts: HashMap::new(), missing: 0 }
    }

    pub(super) fn count(&mut self, word: &str) {
        let word = if self.plan.lowercase { word.to_lowercase() } else { word.to_owned() };
        *self.counts.entry(word).or_default() += 1;
    }

    pub(super) fn count_missing(&mut self) {
        self.missing += 1;
    }

    pub(super) fn finish(mut self) -> Vocabulary {
        let TablePlan { name, vocabulary, min_count, lowercase, words: given, buckets } = self.plan;
        let pads = self.counts.remove(PAD_WORD).unwrap_or(0);
        let unknown = self.counts.remove(UNKNOWN_WORD).unwrap_or(0);
        let mut stored = Stored {
            name: name.clone(),
            lowercase: *lowercase,
            words: vec![PAD_WORD.into(), UNKNOWN_WORD.into()],
            counts: vec![pads, unknown + self.missing],
            buckets: buckets.and_then(|buckets| u32::try_from(buckets).ok()),
        };
        if let Some(buckets) = stored.buckets {
            stored.words.extend((0..buckets).map(|place| format!("#{place}")));
            stored.counts.resize(stored.words.len(), 0);
            for (word, count) in self.counts {
                stored.counts[2 + bucket(&word, buckets) as usize] += count;
            }
            return stored.into();
        }
        let mut known: std::collections::HashSet<String> = [PAD_WORD, UNKNOWN_WORD].map(str::to_owned).into();
        for word in given.iter().map(|word| if *lowercase { word.to_lowercase() } else { word.clone() }) {
            if known.insert(word.clone()) {
                stored.counts.push(self.counts.remove(&word).unwrap_or(0));
                stored.words.push(word);
            }
        }
        let mut learned: Vec<(String, u64)> = self.counts.into_iter().collect();
        learned.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let room = vocabulary.unwrap_or(usize::MAX).saturating_sub(stored.words.len() - 2);
        for (place, (word, count)) in learned.into_iter().enumerate() {
            if place < room && count >= *min_count {
                stored.words.push(word);
                stored.counts.push(count);
            } else {
                stored.counts[UNKNOWN as usize] += count;
            }
        }
        stored.into()
    }
}

impl Vocabulary {
    /// The name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows of the table, `<pad>` and `<unk>` included.
    pub fn rows(&self) -> usize {
        self.words.len()
    }

    /// The words in the order of the rows.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How often each word is in the training part, over all inputs that share the table; `<unk>` counts the words that have no row of their own, and missing categories.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The row of a word; that of `<unk>` where it has none.
    pub fn row(&self, word: &str) -> u32 {
        self.find(word).unwrap_or(UNKNOWN)
    }

    /// The row of a word, if it has one.
    pub fn find(&self, word: &str) -> Option<u32> {
        let lowered = (self.lowercase && word.chars().any(char::is_uppercase)).then(|| word.to_lowercase());
        let word = lowered.as_deref().unwrap_or(word);
        let hashed = || self.buckets.filter(|buckets| *buckets > 0).map(|buckets| 2 + bucket(word, buckets));
        self.rows.get(word).copied().or_else(hashed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> TablePlan {
        TablePlan {
            name: "words".into(),
            vocabulary: None,
            min_count: 1,
            lowercase: true,
            words: Vec::new(),
            buckets: None,
        }
    }

    fn fit(plan: &TablePlan, words: &[&str]) -> Vocabulary {
        let mut counter = WordCounter::new(plan);
        words.iter().for_each(|word| counter.count(word));
        counter.finish()
    }

    #[test]
    fn words_are_ordered_by_count_then_bytes_and_the_rare_are_unknown() {
        let text = ["the", "cat", "The", "dog", "cat", "zebra", "ant", "<pad>"];
        let all = fit(&plan(), &text);
        assert_eq!(all.words(), ["<pad>", "<unk>", "cat", "the", "ant", "dog", "zebra"]);
        assert_eq!(all.counts(), [1, 0, 2, 2, 1, 1, 1]);
        assert_eq!((all.row("THE"), all.row("<pad>"), all.row("nobody")), (3, PAD, UNKNOWN));
        let few = fit(&TablePlan { min_count: 2, ..plan() }, &text);
        assert_eq!((few.words().len(), few.counts()[1]), (4, 3));
        let one = fit(&TablePlan { vocabulary: Some(1), lowercase: false, ..plan() }, &text);
        assert_eq!(one.words(), ["<pad>", "<unk>", "cat"]);
    }

    #[test]
    fn given_words_come_first_and_a_vocabulary_survives_json() {
        let given = TablePlan { words: ["dog", "fish", "dog", "<unk>"].map(String::from).to_vec(), ..plan() };
        let fitted = fit(&given, &["cat", "dog"]);
        assert_eq!(fitted.words(), ["<pad>", "<unk>", "dog", "fish", "cat"]);
        assert_eq!(fitted.counts(), [0, 0, 1, 0, 1]);
        let json = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), fitted);
    }

    #[test]
    fn a_hashed_vocabulary_has_a_row_for_any_word_and_learns_none() {
        let hashed = TablePlan { buckets: Some(16), ..plan() };
        let fitted = fit(&hashed, &["cat", "Dog", "dog", "<pad>"]);
        assert_eq!((fitted.rows(), fitted.words()[2].as_str(), fitted.words()[17].as_str()), (18, "#0", "#15"));
        assert_eq!((fitted.row("<pad>"), fitted.row("<unk>")), (PAD, UNKNOWN));
        let row = fitted.row("dog");
        assert_eq!((row, fitted.row("DOG")), (2 + bucket("dog", 16), row));
        assert!((2..18).contains(&fitted.row("never seen")));
        assert_eq!(fitted.counts().iter().sum::<u64>(), 4);
        assert!(fitted.counts()[row as usize] >= 2);
        let json = serde_json::to_string(&fitted).unwrap();
        let again: Vocabulary = serde_json::from_str(&json).unwrap();
        assert_eq!((again.row("dog"), &again), (row, &fitted));
        let forged: Vocabulary =
            serde_json::from_str(&json.replace("\"buckets\":16", "\"buckets\":4000000000")).unwrap();
        assert!((forged.row("zebra") as usize) < forged.rows());
    }
}
