//! A table in the making: cells go into its columns, and each group of rows into its storage, so that a file of any length needs the
//! memory of one group.

use std::collections::HashMap;

use super::columns::{Change, ColumnBuilder, Decision, Undecided};
use super::error::{FileFault, OptionFault};
use super::table::file::{GROUP_BYTES, GROUP_ROWS, begin, group_rows, put_texts};
use super::table::stored::{Block, StoredTable};
use super::table::{Kind, MISSING_CODE, MISSING_TIME, Storage, Values, Warning};
use super::{DataError, Rows, sketch};

/// Texts that all columns together keep numbered, about,
const NUMBERED: usize = 1 << 20;
/// of one column at most,
const MOST_NUMBERED: usize = 1 << 16;
/// and at least.
const LEAST_NUMBERED: usize = 1 << 10;
/// Bytes of a group at most, however few its rows: texts may be long.
const MOST_GROUP_BYTES: usize = 16 * GROUP_BYTES;
/// Rows that are looked through exactly for a number that stands twice.
const SORTED_ROWS: usize = 4 << 20;

/// A table in the making.
pub(super) struct TableBuilder {
    storage: Storage,
    columns: Vec<ColumnBuilder>,
    /// The first row of each group and of the one that is filled.
    starts: Vec<usize>,
    /// Rows of the group that is filled.
    in_group: usize,
    text_bytes: usize,
    bytes: Vec<u8>,
}

impl TableBuilder {
    /// Begins a table in an empty storage.
    pub(super) fn new(mut storage: Storage) -> Result<TableBuilder, DataError> {
        begin(&mut storage)?;
        Ok(TableBuilder {
            storage,
            columns: Vec::new(),
            starts: vec![0],
            in_group: 0,
            text_bytes: 0,
            bytes: Vec::new(),
        })
    }

    /// Adds a column, which has no value in the rows so far; gives its place.
    pub(super) fn add(&mut self, name: String, unnamed: bool, forced: Option<Kind>, decimal: u8) -> usize {
        let mut column = ColumnBuilder::new(name, unnamed, forced, decimal, self.starts.len() - 1);
        column.push_missing_rows(self.in_group);
        column.skip_rows(self.group_start());
        self.columns.push(column);
        self.columns.len() - 1
    }

    pub(super) fn columns(&mut self) -> &mut [ColumnBuilder] {
        &mut self.columns
    }

    /// Complete rows so far.
    pub(super) fn rows(&self) -> usize {
        self.group_start() + self.in_group
    }

    fn group_start(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    fn most_numbered(&self) -> usize {
        (NUMBERED / self.columns.len().max(1)).clamp(LEAST_NUMBERED, MOST_NUMBERED)
    }

    /// Says that every column has `rows` more cells. Called for some hundred rows at a time.
    ///
    /// # Errors
    /// Where the storage cannot be written.
    pub(super) fn end_rows(&mut self, rows: usize) -> Result<(), DataError> {
        self.in_group += rows;
        self.text_bytes += self.columns.iter_mut().map(ColumnBuilder::take_fresh_bytes).sum::<usize>();
        let most = self.most_numbered();
        for column in self.columns.iter_mut().filter(|column| column.wants_texts(most)) {
            column.turn_into_texts(most, &self.starts, &mut self.storage)?;
        }
        let bytes = self.in_group * self.columns.len() * 8 + self.text_bytes;
        let full = self.in_group >= group_rows(self.columns.len()) || self.in_group >= GROUP_ROWS;
        if full || (bytes >= GROUP_BYTES && self.in_group >= LEAST_NUMBERED) || bytes >= MOST_GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), DataError> {
        if self.in_group == 0 {
            return Ok(());
        }
        self.bytes.clear();
        let (offset, most) = (self.storage.length(), self.most_numbered());
        for column in &mut self.columns {
            column.end_group(&mut self.bytes, offset);
        }
        self.storage.append(&self.bytes)?;
        self.starts.push(self.group_start() + self.in_group);
        (self.in_group, self.text_bytes) = (0, 0);
        for column in &mut self.columns {
            column.bound_dictionary(most, &mut self.storage)?;
        }
        Ok(())
    }

    /// Decides what each column is. The file is not ended yet.
    ///
    /// # Errors
    /// [`DataError::Options`] where a column cannot be what the client declared; where the storage fails.
    pub(super) fn finish(mut self) -> Result<StoredTable, DataError> {
        self.end_group()?;
        self.bytes = Vec::new();
        let TableBuilder { mut storage, columns, starts, .. } = self;
        let most = (NUMBERED / columns.len().max(1)).clamp(LEAST_NUMBERED, MOST_NUMBERED);
        let rows = starts.last().copied().unwrap_or(0);
        let (mut stored, mut undecided, mut warnings, mut faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut decisions: Vec<Decision> = Vec::new();
        for (place, mut column) in columns.into_iter().enumerate() {
            if column.needs_texts() {
                column.turn_into_texts(most, &starts, &mut storage)?;
            }
            let (column, found) = column.close(&mut storage)?;
            // `a,b,` leaves an empty column behind each row: nobody means one.
            if found.unnamed && found.is_empty() {
                continue;
            }
            match found.decide() {
                Ok(mut decision) => {
                    if found.unnamed {
                        let detail =
                            format!("the header has no name at place {}; it is called {}", place + 1, column.name);
                        decision.warnings.push(Warning {
                            column: Some(column.name.clone()),
                            code: "unnamed_column".into(),
                            detail,
                        });
                    }
                    decisions.push(decision);
                    stored.push(column);
                    undecided.push(found);
                }
                Err(fault) => {
                    let detail = format!("column \"{}\" {}", fault.column, fault.detail);
                    faults.push(OptionFault { option: "kinds".into(), detail });
                }
            }
        }
        if !faults.is_empty() {
            return Err(DataError::Options(faults));
        }
        let mut table = StoredTable::unfinished(storage, rows, starts, stored);
        for (place, (mut decision, found)) in decisions.into_iter().zip(undecided).enumerate() {
            if decision.identifier_if_unique && is_unique(&table, place)? {
                decision.kind = Kind::Identifier;
            }
            if decision.change != Change::None {
                decision.warnings.extend(change(&mut table, place, decision.change, &found)?);
            }
            table.columns[place].kind = decision.kind;
            warnings.append(&mut decision.warnings);
        }
        table.warnings = warnings;
        Ok(table)
    }
}

/// Whether no number stands twice in a column of numbers: exactly up to some million rows, then by an estimate.
fn is_unique(table: &StoredTable, place: usize) -> Result<bool, DataError> {
    let name = table.columns[place].name.clone();
    let mut distinct = sketch::HyperLogLog::new();
    let mut all: Vec<u64> = Vec::new();
    let exact = table.rows() <= SORTED_ROWS;
    for range in table.stretches(&[&name]) {
        let part = table.read(Some(&[&name]), range)?;
        let Some(Values::Numeric(values)) = part.columns.first().map(|column| &column.values) else { return Ok(false) };
        match exact {
            true => all.extend(values.iter().map(|x| sketch::number_bits(*x))),
            false => values.iter().for_each(|x| {
                distinct.insert(sketch::of_number(*x));
            }),
        }
    }
    if !exact {
        return Ok(distinct.count() as f64 >= 0.98 * table.rows() as f64);
    }
    all.sort_unstable();
    Ok(all.windows(2).all(|pair| pair[0] != pair[1]))
}

/// Writes a column anew as what it was decided to be.
fn change(
    table: &mut StoredTable,
    place: usize,
    change: Change,
    found: &Undecided,
) -> Result<Option<Warning>, DataError> {
    let name = table.columns[place].name.clone();
    let (mut wrong, mut first_wrong) = (0, None);
    let mut blocks = Vec::with_capacity(table.starts.len());
    for group in 0..table.starts.len() - 1 {
        let part = table.read(Some(&[&name]), table.starts[group]..table.starts[group + 1])?;
        let Some(column) = part.columns.first() else { continue };
        let bytes = change.apply(&column.values);
        if let (Change::TextsToTimes, Values::Text { codes, dictionary }) = (change, &column.values) {
            let (times, _) = bytes.as_chunks::<8>();
            for (code, time) in codes.iter().zip(times) {
                if *code != MISSING_CODE && i64::from_le_bytes(*time) == MISSING_TIME {
                    wrong += 1;
                    first_wrong = first_wrong.or_else(|| dictionary.get(*code as usize).cloned());
                }
            }
        }
        blocks.push(Block::of(table.storage.append(&bytes)?, &bytes));
    }
    let dictionary = match change {
        Change::TextsToBooleans => put_texts(["false", "true"].into_iter(), &mut table.storage)?,
        _ => Vec::new(),
    };
    let form = change.form(table.columns[place].form);
    table.columns[place].replace(form, blocks, dictionary);
    Ok(first_wrong.map(|first| found.wrong_times(wrong, &first)))
}

/// Refuses kinds for columns that are not there.
pub(super) fn check_kinds(kinds: &[(String, Kind)], names: &[String]) -> Result<(), DataError> {
    let faults: Vec<OptionFault> = kinds
        .iter()
        .filter(|(column, _)| !names.contains(column))
        .map(|(column, _)| {
            let nearest = names.iter().max_by(|a, b| strsim::jaro(a, column).total_cmp(&strsim::jaro(b, column)));
            let hint = nearest.map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
            OptionFault { option: "kinds".into(), detail: format!("there is no column \"{column}\"{hint}") }
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(DataError::Options(faults)) }
}

/// The declared kinds by column.
pub(super) fn declared(kinds: &[(String, Kind)]) -> HashMap<&str, Kind> {
    kinds.iter().map(|(column, kind)| (column.as_str(), *kind)).collect()
}

/// More rows than a table may have.
pub(super) fn too_many_rows(most: usize) -> FileFault {
    let detail = format!("the file has more than {most} rows");
    FileFault { code: "too_many_rows", line: None, column: None, detail, remedy: "send it in parts".into() }
}

#[cfg(test)]
mod tests;
