//! The check of the data: what no network can mend, found before one is trained. Columns that say nothing or give the answer away,
//! inputs of wildly different scale, rows that stand in two parts, equal inputs with different labels. It looks at what the network
//! will see, the encoded rows, and at a sample of them where there are many.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::Verdict;
use super::gradient::spread;
use super::tell::{self, Labels};
use crate::data::{DataError, Encoder, Examples, Kind, Rows, Table};

/// Rows that are looked at in the training part, and in what is held out; fewer where they are wide, so that the check costs
/// little before a job.
const ROWS: usize = 10_000;
const FEWEST: usize = 500;
const VALUES: usize = 1_000_000;
/// Rows on which single columns are judged, and what that may cost.
const TELLING: usize = 4_000;
/// A single column that tells so much of the target is no input but the answer (a share of right rows, or R²).
const GIVES_AWAY: f64 = 0.999;
/// Inputs are uncentred where |mean| is so many deviations, and unscaled where two deviations are so many times apart.
const OFF_CENTRE: f64 = 3.0;
const APART: f64 = 100.0;
/// Share of held-out rows that may stand in the training part too, where rows are mostly different.
const SHARED: f64 = 0.01;
/// Share of rows that nobody can get right, because equal inputs have other labels.
const CONTRADICTING: f64 = 0.05;
/// Columns and rows that are named.
const NAMED: usize = 20;

/// What the check of the data found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataCheck {
    /// Failed where anything failed.
    pub verdict: Verdict,
    /// Training rows that were looked at.
    pub rows: usize,
    /// Rows of validation and test that were looked at.
    pub held_out_rows: usize,
    /// What was found, what failed first.
    pub findings: Vec<DataFinding>,
    /// How much each column alone tells of the target, most first, the twenty first.
    pub columns: Vec<ColumnTells>,
    /// Different inputs among the training rows.
    pub distinct_inputs: usize,
    /// Held-out rows that stand in the training part too, inputs and labels.
    pub shared_rows: usize,
    /// Training rows whose inputs have other labels elsewhere.
    pub contradicting_rows: usize,
    /// The accuracy that no network can exceed on the training rows; absent where no target has classes.
    pub best_accuracy: Option<f64>,
    /// What it means and what to do.
    pub advice: String,
}

/// One thing about the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataFinding {
    /// `column_gives_away`, `contradicting_labels`, `rows_in_two_parts`, `unscaled_columns` or `constant_columns`.
    pub code: &'static str,
    /// Passed where it is only worth knowing.
    pub verdict: Verdict,
    /// What, in words.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// The columns, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Some rows, zero-based.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u32>,
}

/// What one column alone tells of a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnTells {
    /// The column.
    pub column: String,
    /// The target.
    pub target: String,
    /// Share of rows that it gets right where the target has classes, R² where it is a number; learned on one half, judged on the other.
    pub score: f64,
    /// What always saying the most frequent class gets right; 0 for numbers.
    pub chance: f64,
}

/// Rows that do not train, of the same table or of one of their own.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut<'a> {
    /// Rows of validation and test in the table.
    pub rows: &'a [u32],
    /// Datasets of their own that validate or test.
    pub tables: &'a [&'a dyn Rows],
}

/// Looks at the data of a run.
///
/// # Errors
/// Rows that cannot be encoded.
pub fn check_data(
    table: &dyn Rows,
    encoder: &Encoder,
    training: &[u32],
    held_out: HeldOut<'_>,
) -> Result<DataCheck, DataError> {
    let most = (VALUES / encoder.features().max(1)).clamp(FEWEST, ROWS);
    let rows = spread(training, most);
    let sample = table.pick(&rows)?;
    // The sample is encoded, not the dataset: that may be in a file.
    let mut examples = encoder.encode::<f64>(&sample, &(0..rows.len() as u32).collect::<Vec<_>>())?;
    examples.row_ids.clone_from(&rows);
    let labels = tell::labels(encoder, &examples);
    let seen = patterns(&examples);
    let columns = {
        let columns = encoder.input_columns().len().max(1);
        let places: Vec<u32> = (0..rows.len() as u32).collect();
        let some = spread(&places, (VALUES / columns).clamp(FEWEST, TELLING));
        let labels = tell::labels(encoder, &encoder.encode::<f64>(&sample, &some)?);
        tell::columns(&sample.take(&some), encoder, &labels)
    };
    let mut findings = Vec::new();
    findings.extend(gives_away(&columns));
    let (contradicting_rows, best_accuracy) = contradictions(&seen, &labels);
    findings.extend(contradicting(&examples, &seen, &labels, contradicting_rows, best_accuracy));
    let (held_out_rows, shared) = shared(table, encoder, held_out, &examples, most)?;
    findings.extend(in_two_parts(&shared, held_out_rows, seen.len(), rows.len()));
    findings.extend(unscaled(&sample, encoder, &examples));
    let constant: Vec<String> = encoder.constant_columns().into_iter().map(str::to_owned).collect();
    if !constant.is_empty() {
        findings.push(DataFinding {
            code: "constant_columns",
            verdict: Verdict::Passed,
            message: format!("{} the same in every training row.", are(&constant, "is", "are")),
            advice: "It does no harm and no good; leave it out.".to_owned(),
            columns: constant,
            rows: Vec::new(),
        });
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let verdict = match rows.is_empty() {
        true => Verdict::Unchecked,
        false => findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Passed).max(Verdict::Passed),
    };
    let advice = match findings.first() {
        Some(first) if first.verdict == Verdict::Failed => format!("{} {}", first.message, first.advice),
        _ => "Nothing in the data stands in the way of learning.".to_owned(),
    };
    Ok(DataCheck {
        verdict,
        rows: rows.len(),
        held_out_rows,
        findings,
        columns: columns.into_iter().take(NAMED).collect(),
        distinct_inputs: seen.len(),
        shared_rows: shared.len(),
        contradicting_rows,
        best_accuracy,
        advice,
    })
}

/// `a`, `b` and `c` with the verb that fits.
fn are(names: &[String], one: &str, several: &str) -> String {
    let quoted: Vec<String> = names.iter().take(5).map(|name| format!("\"{name}\"")).collect();
    let more = names.len().saturating_sub(5);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest} {}", quoted.join(", "), if names.len() == 1 { one } else { several })
}

fn gives_away(columns: &[ColumnTells]) -> Option<DataFinding> {
    let told: Vec<&ColumnTells> = columns.iter().filter(|told| told.score > GIVES_AWAY && told.chance < 0.98).collect();
    let first = told.first()?;
    let names: Vec<String> = told.iter().map(|told| told.column.clone()).collect();
    Some(DataFinding {
        code: "column_gives_away",
        verdict: Verdict::Failed,
        message: format!(
            "{} nearly all there is to know of \"{}\" ({:.2} % of rows it never saw).",
            are(&names, "alone tells", "alone tell"),
            first.target,
            100.0 * first.score
        ),
        advice: "If that is only known afterwards, leave it out (\"inputs\":{\"exclude\":[…]}); if it is a rule, no network is needed.".to_owned(),
        columns: names.into_iter().take(NAMED).collect(),
        rows: Vec::new(),
    })
}

/// Rows by a digest of their encoded inputs.
fn patterns(examples: &Examples<f64>) -> HashMap<u128, Vec<u32>> {
    let mut seen: HashMap<u128, Vec<u32>> = HashMap::with_capacity(examples.rows);
    for row in 0..examples.rows {
        seen.entry(digest(examples, row)).or_default().push(row as u32);
    }
    seen
}

/// A digest of what goes in: 128 bits, so that two rows are not taken for one.
fn digest(examples: &Examples<f64>, row: usize) -> u128 {
    let features = examples.dense.get(row * examples.features..(row + 1) * examples.features).unwrap_or(&[]);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        // 0 and -0 are one.
        features.iter().for_each(|x| (x + 0.0).to_bits().hash(&mut hasher));
        examples.tokens.iter().for_each(|column| column.row(row).hash(&mut hasher));
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Rows that disagree with others of the same inputs, and the accuracy that remains possible over all targets with classes.
fn contradictions(seen: &HashMap<u128, Vec<u32>>, labels: &[Labels]) -> (usize, Option<f64>) {
    let classes = labels.iter().filter_map(|labels| labels.classes());
    let (mut disagreeing, mut right, mut labelled) = (0, 0, 0);
    for classes in classes {
        for rows in seen.values() {
            let mut counts: HashMap<u32, usize> = HashMap::new();
            for class in rows.iter().filter_map(|row| classes.get(*row as usize).copied().flatten()) {
                *counts.entry(class).or_default() += 1;
            }
            let total: usize = counts.values().sum();
            right += counts.values().max().copied().unwrap_or(0);
            labelled += total;
            disagreeing += if counts.len() > 1 { total } else { 0 };
        }
    }
    (disagreeing, (labelled > 0).then(|| right as f64 / labelled as f64))
}

fn contradicting(
    examples: &Examples<f64>,
    seen: &HashMap<u128, Vec<u32>>,
    labels: &[Labels],
    rows: usize,
    best: Option<f64>,
) -> Option<DataFinding> {
    let best = best.filter(|_| rows > 0)?;
    let differ = |set: &&Vec<u32>| {
        labels.iter().filter_map(Labels::classes).any(|classes| {
            let mut known = set.iter().filter_map(|row| classes.get(*row as usize).copied().flatten());
            known.next().is_some_and(|first| known.any(|other| other != first))
        })
    };
    let mut named: Vec<u32> = seen.values().filter(differ).flatten().copied().collect();
    named.sort_unstable();
    let failed = 1.0 - best > CONTRADICTING;
    Some(DataFinding {
        code: "contradicting_labels",
        verdict: if failed { Verdict::Failed } else { Verdict::Passed },
        message: format!(
            "{rows} rows have the inputs of another row and another label: no network can get more than {:.1} % of the training rows right.",
            100.0 * best
        ),
        advice: "Look at the rows that are named: wrong labels, rows that were entered twice, or a column that would tell them apart and is not among the inputs."
            .to_owned(),
        columns: Vec::new(),
        rows: named.into_iter().filter_map(|row| examples.row_ids.get(row as usize).copied()).take(NAMED).collect(),
    })
}

/// How many held-out rows were looked at, and which of them stand in the training part too.
fn shared(
    table: &dyn Rows,
    encoder: &Encoder,
    held_out: HeldOut<'_>,
    training: &Examples<f64>,
    most: usize,
) -> Result<(usize, Vec<u32>), DataError> {
    let whole = |examples: &Examples<f64>, row: usize| -> (u128, Vec<u64>) {
        let labels = examples.targets.iter().map(|target| tell::label_bits(target, row));
        (digest(examples, row), labels.collect())
    };
    let known: std::collections::HashSet<_> = (0..training.rows).map(|row| whole(training, row)).collect();
    let (mut looked_at, mut shared) = (0, Vec::new());
    let own = std::iter::once((table, spread(held_out.rows, most)));
    let all = |other: &dyn Rows| spread(&(0..other.rows() as u32).collect::<Vec<u32>>(), most);
    let others = held_out.tables.iter().map(|other| (*other, all(*other)));
    for (table, rows) in own.chain(others).filter(|(_, rows)| !rows.is_empty()) {
        let examples = encoder.encode::<f64>(table, &rows)?;
        looked_at += rows.len();
        let both = (0..examples.rows).filter(|row| known.contains(&whole(&examples, *row)));
        shared.extend(both.filter_map(|row| rows.get(row).copied()));
    }
    Ok((looked_at, shared))
}

fn in_two_parts(shared: &[u32], held_out: usize, distinct: usize, rows: usize) -> Option<DataFinding> {
    if shared.is_empty() {
        return None;
    }
    // Where inputs are few categories, equal rows are the rule and mean nothing.
    let mostly_different = distinct * 2 > rows;
    let failed = mostly_different && shared.len() as f64 > SHARED * held_out as f64;
    Some(DataFinding {
        code: "rows_in_two_parts",
        verdict: if failed { Verdict::Failed } else { Verdict::Passed },
        message: format!(
            "{} of {held_out} held-out rows stand in the training part too: what is measured on them is memory.",
            shared.len()
        ),
        advice: "Keep equal rows on one side (\"split\":{\"duplicates\":\"together\"}), split by group, or take them out of the validation set.".to_owned(),
        columns: Vec::new(),
        rows: shared.iter().copied().take(NAMED).collect(),
    })
}

/// Numeric inputs as they go in, neither centred nor of one scale.
fn unscaled(sample: &Table, encoder: &Encoder, examples: &Examples<f64>) -> Option<DataFinding> {
    let numeric = |name: &str| sample.columns.iter().any(|column| column.name == name && column.kind == Kind::Numeric);
    let mut spreads: Vec<(String, f64, f64)> = Vec::new();
    for (place, name) in encoder.feature_names().into_iter().enumerate().filter(|(_, name)| numeric(name)) {
        let values = || examples.dense.iter().skip(place).step_by(examples.features.max(1));
        let n = examples.rows.max(1) as f64;
        let mean = values().sum::<f64>() / n;
        let std = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        if std > 0.0 {
            spreads.push((name, mean, std));
        }
    }
    let least = spreads.iter().map(|(.., std)| *std).fold(f64::INFINITY, f64::min);
    // The least of the deviations, or the unit that weights are made for.
    let unit = least.min(1.0);
    let mut off: Vec<(f64, String)> = spreads
        .into_iter()
        .map(|(name, mean, std)| (f64::max(mean.abs() / std / OFF_CENTRE, std / unit / APART), name))
        .filter(|(by, _)| *by > 1.0)
        .collect();
    off.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<String> = off.into_iter().map(|(_, name)| name).collect();
    (!names.is_empty()).then(|| DataFinding {
        code: "unscaled_columns",
        verdict: Verdict::Failed,
        message: format!("{} in neither centred nor scaled.", are(&names, "goes", "go")),
        advice: "Standardise them: \"inputs\":{\"numeric\":\"standardize\"}.".to_owned(),
        columns: names.into_iter().take(NAMED).collect(),
        rows: Vec::new(),
    })
}
