//! Embedding tables: one vector for each word or category, shared by every column that names the table.

use serde_json::{Value, json};

use super::catalogue::{Chosen, choose, real};
use super::inits;
use super::inputs::{Input, Inputs};
use super::prove::Proof;
use super::read::{At, quoted_text};
use super::schema::SchemaColumn;
use crate::data::encoder::{Encoding, MissingCategory, Tokenizer};

/// Half the width of the uniform distribution that vectors start from, unless the client says otherwise.
const LIMIT: f64 = 0.1;
/// Words of a table unless the client says otherwise; they bound a table that a free text would make.
const VOCABULARY: u64 = 20_000;
/// Dimensions unless the client says otherwise: enough for words, few enough for few labels.
const DIM: u64 = 50;

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where the request defines it, for faults.
    pub(super) pointer: String,
    pub(super) name: String,
    pub(super) dim: u64,
    /// At most so many words beside `<pad>` and `<unk>`.
    pub(super) vocabulary: u64,
    pub(super) min_count: u64,
    /// Rows that words are spread over by their hash, instead of a vocabulary.
    pub(super) buckets: Option<u64>,
    pub(super) lowercase: bool,
    /// Uploaded word vectors to start from.
    pub(super) vectors: Option<String>,
    /// Words that those have.
    pub(super) given: u64,
    /// Whether rows that a batch does not touch are moved by their optimizer's moments only when they are touched again.
    pub(super) lazy: bool,
    pub(super) init: Chosen<inits::Built>,
    /// Rows, `<pad>` and `<unk>` included, as far as the schema tells.
    pub(super) rows: u64,
}

impl Table {
    pub(super) fn to_json(&self) -> Value {
        if let Some(buckets) = self.buckets {
            return json!({
                "dim": self.dim,
                "hash": buckets,
                "lowercase": self.lowercase,
                "sparse": if self.lazy { "lazy" } else { "exact" },
                "init": self.init.to_json(),
            });
        }
        json!({
            "dim": self.dim,
            "vocabulary": self.vocabulary,
            "min_count": self.min_count,
            "lowercase": self.lowercase,
            "vectors": self.vectors,
            "sparse": if self.lazy { "lazy" } else { "exact" },
            "init": self.init.to_json(),
        })
    }
}

/// Reads `inputs.embeddings`.
pub(super) fn tables(proof: &Proof<'_>, at: &At<'_>) -> Vec<Table> {
    at.entries().unwrap_or_default().into_iter().filter_map(|(name, at)| table(proof, name, &at)).collect()
}

fn table(proof: &Proof<'_>, name: &str, at: &At<'_>) -> Option<Table> {
    let mut table = preset(name.to_owned(), at.pointer.clone());
    if name.is_empty() || name.len() > 64 {
        at.fault("the name of a table has 1 to 64 characters");
    }
    if at.value.is_number() {
        table.dim = at.whole(1, 1_000_000)?;
        return Some(table);
    }
    let mut object = at.object()?;
    let vectors_at = object.field("vectors");
    table.vectors = vectors_at.as_ref().and_then(|at| at.text()).map(str::to_owned);
    // That they exist and what is in them is the caller's to say; without it the form alone is judged.
    let known = proof.schema.and_then(|schema| schema.vectors.get(table.vectors.as_deref()?));
    let dim_at = object.field("dim");
    let dim = dim_at.as_ref().and_then(|at| at.whole(1, 1_000_000));
    table.dim = dim.or(known.map(|known| known.dim)).unwrap_or(table.dim);
    if let (Some(known), Some(at), Some(dim)) = (known, &dim_at, dim)
        && known.dim != dim
    {
        at.fault(format!(
            "the uploaded vectors have {} dimensions, not {dim}: leave \"dim\" out, or write {}",
            known.dim, known.dim
        ));
    }
    table.given = known.map_or(0, |known| known.words);
    table.buckets = object.field("hash").and_then(|at| at.whole(1, 10_000_000));
    if table.buckets.is_some() {
        for name in ["vocabulary", "min_count", "vectors"].into_iter().filter(|name| object.has(name)) {
            let at = object.at(name);
            proof.faults.add(
                &at,
                format!("\"hash\" gives each word a row by its hash, and knows no words: leave \"{name}\" out"),
            );
        }
    }
    table.vocabulary = object.whole("vocabulary", 1, u32::MAX.into(), table.vocabulary);
    table.min_count = object.whole("min_count", 1, u32::MAX.into(), table.min_count);
    table.lowercase = object.flag("lowercase", table.lowercase);
    table.lazy = object.word("sparse", &["exact", "lazy"], "exact") == "lazy";
    if let Some(at) = object.field("init") {
        table.init = choose(&at, "an initialisation", &inits::TABLE, &inits::TABLE[0], &[]).chosen;
    }
    object.finish();
    table.rows = table.buckets.unwrap_or(table.vocabulary.max(table.given)).saturating_add(2);
    Some(table)
}

fn preset(name: String, pointer: String) -> Table {
    let uniform = inits::TABLE.iter().find(|entry| entry.name == "uniform").unwrap_or(&inits::TABLE[0]);
    let mut init = Chosen::preset(uniform);
    init.set("limit", real(LIMIT));
    let rows = VOCABULARY + 2;
    Table {
        pointer,
        name,
        dim: DIM,
        vocabulary: VOCABULARY,
        min_count: 1,
        buckets: None,
        lowercase: true,
        vectors: None,
        given: 0,
        lazy: false,
        init,
        rows,
    }
}

/// The name of a column's own table, made on first use: as wide as its categories need.
pub(super) fn own(inputs: &mut Inputs, column: &SchemaColumn, text: bool) -> String {
    if !inputs.tables.iter().any(|table| table.name == column.name) {
        let mut table = preset(column.name.clone(), "/inputs".into());
        if !text {
            table.dim = dimensions(column.distinct);
            // One more where a word may stand in for missing ones.
            table.vocabulary = (column.distinct + u64::from(column.missing > 0)).clamp(1, 1_000_000);
            table.lowercase = false;
        }
        inputs.tables.push(table);
    }
    column.name.clone()
}

/// Dimensions for a column of so many categories: 1.6·K^0.56, at most 50 (the rule of fastai's tabular learner).
fn dimensions(categories: u64) -> u64 {
    ((1.6 * (categories as f64).powf(0.56)).round() as u64).clamp(1, DIM)
}

fn looks_into(input: &Input, name: &str) -> bool {
    matches!(&input.encoding, Encoding::Embedding { table, .. } | Encoding::Words { table, .. } if table == name)
}

/// Drops tables that no column looks into, and bounds the others' rows by what the columns hold.
pub(super) fn keep_used(proof: &mut Proof<'_>, inputs: &mut Inputs) {
    let mut kept = Vec::new();
    for mut table in inputs.tables.clone() {
        let mut categories = Some(0_u64);
        let mut used = false;
        for input in inputs.columns.iter().filter(|input| looks_into(input, &table.name)) {
            used = true;
            let column = proof.schema.and_then(|schema| schema.column(&input.column));
            let distinct = match &input.encoding {
                // The profile counts words as this tokenizer cuts them, in lower case.
                Encoding::Words { tokenizer: Tokenizer::Words, .. } if table.lowercase => {
                    column.and_then(|column| column.words.as_ref()).map(|words| words.distinct)
                }
                Encoding::Words { .. } => None,
                // One more may stand in for missing ones.
                Encoding::Embedding { missing: MissingCategory::Own | MissingCategory::Constant(_), .. } => {
                    column.map(|column| column.distinct.saturating_add(u64::from(column.missing > 0)))
                }
                _ => column.map(|column| column.distinct),
            };
            categories = categories.zip(distinct).map(|(sum, distinct)| sum.saturating_add(distinct));
        }
        if !used {
            let detail =
                format!("no column looks into {}: name it as \"embedding\" of a column", quoted_text(&table.name));
            proof.warn("unused_embedding", &table.pointer, detail);
            continue;
        }
        // Uploaded words stay, whether the data have them or not; learned ones fill up to the vocabulary.
        let learned = categories.unwrap_or(u64::MAX).min(table.vocabulary.saturating_sub(table.given));
        table.rows = table.buckets.unwrap_or(table.given.saturating_add(learned)).saturating_add(2);
        kept.push(table);
    }
    inputs.tables = kept;
}
