//! Learning an encoder from the training part.

use std::collections::HashSet;

use super::categories::{HashedInput, OneHotInput, stand_in};
use super::datetime::{DatetimeInput, time};
use super::memo::tallied;
use super::numeric::{NumericInput, number};
use super::plan::{EncoderPlan, Encoding, InputPlan, MissingCategory, MissingTruth, Pooling, TargetPlan, Tokenizer};
use super::vocabulary::WordCounter;
use super::words::for_each_word;
use super::{Encoder, FittedInput, FittedTarget, Input, VERSION, cell_of, is_there};
use crate::data::cell::Cell;
use crate::data::encoder::categories::{label, truth};
use crate::data::error::PlanFault;
use crate::data::rows::{local, runs};
use crate::data::{DataError, Rows, Values};

/// Categories of one one-hot input.
const MOST_CATEGORIES: usize = 10_000;
/// The word of missing categories that have a row of their own.
const MISSING_WORD: &str = "<missing>";

pub(super) fn fit(rows: &dyn Rows, plan: &EncoderPlan, train: &[u32]) -> Result<Encoder, DataError> {
    let mut faults = check(rows.rows(), plan, train);
    if !faults.is_empty() {
        return Err(DataError::Plan(faults));
    }
    let names = rows.names();
    plan.inputs.iter().for_each(|input| is_there(&names, &input.column, "an input", &mut faults));
    let targets = plan.targets.iter().flat_map(TargetPlan::column_names);
    targets.for_each(|name| is_there(&names, name, "the target", &mut faults));
    if let Some(name) = &plan.sample_weight {
        is_there(&names, name, "the sample weight", &mut faults);
    }
    let mut counters: Vec<WordCounter> = plan.tables.iter().map(WordCounter::new).collect();
    let mut inputs = Vec::with_capacity(plan.inputs.len());
    for input in plan.inputs.iter().filter(|input| names.contains(&input.column.as_str())) {
        match fit_input(rows, input, plan, train, &mut counters) {
            Ok(fitted) => inputs.push(FittedInput { column: input.column.clone(), input: fitted }),
            Err(Trouble::Plan(detail)) => faults.push(PlanFault { column: Some(input.column.clone()), detail }),
            Err(Trouble::Data(error)) => return Err(error),
        }
    }
    let mut targets = Vec::with_capacity(plan.targets.len());
    for target in plan.targets.iter().filter(|target| target.column_names().all(|name| names.contains(&name))) {
        let columns: Vec<&str> = target.column_names().collect();
        match FittedTarget::fit(&*rows.load(&columns)?, target, train) {
            Ok(fitted) => targets.push(fitted),
            Err(mut more) => faults.append(&mut more),
        }
    }
    if !faults.is_empty() {
        return Err(DataError::Plan(faults));
    }
    let tables = counters.into_iter().map(WordCounter::finish).collect();
    Ok(Encoder { version: VERSION, inputs, tables, targets, sample_weight: plan.sample_weight.clone() })
}

/// Why an input is not learned.
enum Trouble {
    /// Its column does not hold what the plan says.
    Plan(String),
    /// It cannot be read.
    Data(DataError),
}

impl From<String> for Trouble {
    fn from(detail: String) -> Trouble {
        Trouble::Plan(detail)
    }
}

impl From<DataError> for Trouble {
    fn from(error: DataError) -> Trouble {
        Trouble::Data(error)
    }
}

/// What is wrong with the plan itself.
fn check(rows: usize, plan: &EncoderPlan, train: &[u32]) -> Vec<PlanFault> {
    let mut faults = Vec::new();
    let mut fault = |column: Option<&str>, detail: &str| {
        faults.push(PlanFault { column: column.map(str::to_owned), detail: detail.to_owned() });
    };
    if train.is_empty() {
        fault(None, "the training part has no rows");
    }
    if train.iter().any(|row| *row as usize >= rows) {
        fault(None, &format!("the training part names a row behind the last, {rows}"));
    }
    if plan.inputs.is_empty() {
        fault(None, "there is no input: every column is a target, excluded, constant or an identifier");
    }
    let mut seen = HashSet::new();
    let target_columns: HashSet<&str> = plan.targets.iter().flat_map(TargetPlan::column_names).collect();
    for InputPlan { column, encoding } in &plan.inputs {
        if !seen.insert(column) {
            fault(Some(column), "is an input twice");
        }
        if target_columns.contains(column.as_str()) {
            fault(Some(column), "is both an input and a target");
        }
        if let Encoding::Embedding { table, .. } | Encoding::Words { table, .. } = encoding
            && !plan.tables.iter().any(|known| known.name == *table)
        {
            fault(Some(column), &format!("looks into the embedding table \"{table}\", which is not there"));
        }
    }
    faults
}

fn fit_input(
    rows: &dyn Rows,
    plan: &InputPlan,
    whole: &EncoderPlan,
    train: &[u32],
    counters: &mut [WordCounter<'_>],
) -> Result<Input, Trouble> {
    // Numbers and long texts are gone through a stretch at a time; of all else a column is a code a row.
    match &plan.encoding {
        Encoding::Numeric { scale, missing, indicator, clip } => {
            let values = numbers(rows, &plan.column, train)?;
            return Ok(Input::Numeric(NumericInput::fit(values, *scale, *missing, *indicator, *clip)));
        }
        Encoding::Words { table, tokenizer, pooling, max_tokens } => {
            let place = whole.tables.iter().position(|known| known.name == *table).unwrap_or_default();
            return Ok(count_words(rows, &plan.column, train, (place, *tokenizer, *pooling, *max_tokens), counters)?);
        }
        _ => {}
    }
    let loaded = rows.load(&[&plan.column])?;
    let Some(column) = loaded.column(&plan.column) else {
        return Err(Trouble::Plan("is not in the dataset".into()));
    };
    let cells = || train.iter().map(|row| (*row, cell_of(column, *row)));
    let table_of = |name: &str| whole.tables.iter().position(|table| table.name == name).unwrap_or_default();
    Ok(match &plan.encoding {
        Encoding::Boolean { missing, indicator } => {
            let values = present(cells(), truth)?;
            let ones = values.iter().filter(|truth| **truth).count();
            let share = match missing {
                MissingTruth::Mean => ones as f64 / values.len().max(1) as f64,
                MissingTruth::Constant(truth) => f64::from(u8::from(*truth)),
            };
            Input::Boolean { share, indicator: *indicator }
        }
        Encoding::HashedOneHot { buckets, missing } => {
            Input::Hashed(HashedInput::fit(&tallied(column, train.iter().copied()), *buckets, missing))
        }
        Encoding::OneHot { unknown, missing } => {
            let fitted = OneHotInput::fit(&tallied(column, train.iter().copied()), *unknown, missing);
            if fitted.categories.len() > MOST_CATEGORIES {
                let found = fitted.categories.len();
                return Err(Trouble::Plan(format!(
                    "has {found} categories, too many for one-hot ({MOST_CATEGORIES}); use an embedding"
                )));
            }
            Input::OneHot(fitted)
        }
        Encoding::Embedding { table, missing } => {
            let table = table_of(table);
            let fill = match missing {
                MissingCategory::Own => Some(MISSING_WORD.to_owned()),
                missing => stand_in(&tallied(column, train.iter().copied()), missing),
            };
            for (_, cell) in cells() {
                match label(cell).as_ref().or(fill.as_ref()) {
                    Some(category) => counters[table].count(category),
                    None => counters[table].count_missing(),
                }
            }
            Input::Tokens { table, pooling: Pooling::Single, tokenizer: Tokenizer::Words, max_tokens: 1, fill }
        }
        Encoding::Datetime { parts, missing, indicator } => {
            Input::Datetime(DatetimeInput::fit(&present(cells(), time)?, parts, *missing, *indicator))
        }
        Encoding::Numeric { .. } | Encoding::Words { .. } => {
            return Err(Trouble::Plan("was to be learned a stretch at a time".into()));
        }
    })
}

/// The numbers of a column in the training rows that have one.
fn numbers(rows: &dyn Rows, name: &str, train: &[u32]) -> Result<Vec<f64>, Trouble> {
    let mut found = Vec::with_capacity(train.len());
    let stretches = rows.stretches(&[name]);
    for (range, own) in runs(&stretches, train) {
        let part = rows.stretch(&[name], range.clone())?;
        let Some(column) = part.column(name) else { continue };
        let own = local(own, range.start);
        if let Values::Numeric(values) = &column.values {
            let all = own.len() == values.len() && own.iter().zip(0..).all(|(row, place)| *row == place);
            let before = found.len();
            match all {
                true => found.extend_from_slice(values),
                false => found.extend(own.iter().map(|row| values[*row as usize])),
            }
            if found[before..].iter().any(|x| x.is_nan()) {
                let present: Vec<f64> = found.drain(before..).filter(|x| !x.is_nan()).collect();
                found.extend(present);
            }
            continue;
        }
        for row in own.iter() {
            let read = number(cell_of(column, *row));
            found.extend(read.map_err(|detail| format!("row {}: {detail}", *row as usize + range.start))?);
        }
    }
    Ok(found)
}

/// Counts the words of a column in the training rows.
fn count_words(
    rows: &dyn Rows,
    name: &str,
    train: &[u32],
    (table, tokenizer, pooling, max_tokens): (usize, Tokenizer, Pooling, usize),
    counters: &mut [WordCounter<'_>],
) -> Result<Input, DataError> {
    let max_tokens = match pooling {
        Pooling::Single => 1,
        Pooling::Window { length } => length,
        Pooling::Sum | Pooling::Mean => max_tokens,
    };
    let stretches = rows.stretches(&[name]);
    for (range, own) in runs(&stretches, train) {
        let part = rows.stretch(&[name], range.clone())?;
        let Some(column) = part.column(name) else { continue };
        for row in local(own, range.start).iter() {
            let Some(text) = label(cell_of(column, *row)) else { continue };
            let mut count = 0;
            for_each_word(&text, tokenizer, |word| {
                if count < max_tokens {
                    counters[table].count(word);
                }
                count += 1;
                count < max_tokens
            });
        }
    }
    Ok(Input::Tokens { table, pooling, tokenizer, max_tokens, fill: None })
}

/// What `read` finds in the cells that are not missing.
fn present<'a, V>(
    cells: impl Iterator<Item = (u32, Cell<'a>)>,
    read: fn(Cell<'a>) -> Result<Option<V>, String>,
) -> Result<Vec<V>, String> {
    let mut values = Vec::new();
    for (row, cell) in cells {
        values.extend(read(cell).map_err(|detail| format!("row {row}: {detail}"))?);
    }
    Ok(values)
}
