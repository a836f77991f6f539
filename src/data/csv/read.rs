//! The way of all rows into a table: blocks without quotes are read side by side and taken in their order, and from the first quote on one thread cuts rows and
//! another one makes sense of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::blocks::{BYTES, Blocks, FIRST_BYTES};
use super::plain::{Form, Parsed};
use super::quoted::Cutter;
use crate::data::DataError;
use crate::data::build::{TableBuilder, too_many_rows};
use crate::data::columns::{ColumnBuilder, UNDECIDED_ROWS};
use crate::data::csv::source::not_utf8;

/// Rows that go into all columns before the next ones.
const ROWS: usize = 1024;
/// Blocks that are read before more threads are worth their start.
const ALONE: usize = 4;
/// Threads that read blocks, at most: one thread takes what they read.
const READERS: usize = 4;

/// Puts rows into a table.
pub(super) struct Builder<'a> {
    pub(super) table: &'a mut TableBuilder,
    pub(super) form: &'a Form<'a>,
}

impl Builder<'_> {
    /// Takes the rows of a block, then its fault.
    fn take(&mut self, parsed: &Parsed) -> Result<(), DataError> {
        let Builder { table, form } = self;
        if parsed.rows > form.limits.rows.saturating_sub(table.rows()) {
            return Err(too_many_rows(form.limits.rows).into());
        }
        // The cells of columns that became texts after the block was read.
        let mut late: Vec<Option<_>> = form.names.iter().map(|_| None).collect();
        for start in (0..parsed.rows).step_by(ROWS) {
            let rows = start..parsed.rows.min(start + ROWS);
            for (place, column) in table.columns().iter_mut().enumerate() {
                let taken = if parsed.is_as_text(place) {
                    // Every cell with a value is among the others.
                    take_rows(column, parsed, place, rows.clone(), form, |column, rows| {
                        column.push_missing_rows(rows.len());
                    })
                } else if column.takes_numbers() {
                    let numbers = parsed.values(place);
                    take_rows(column, parsed, place, rows.clone(), form, |column, rows| {
                        column.push_numbers(&numbers[rows]);
                    })
                } else {
                    let cells = late[place].get_or_insert_with(|| form.cells(parsed, place).skip(start));
                    cells.take(rows.len()).try_for_each(|(line, cell)| push(column, cell, line, place, form))
                };
                taken?;
            }
            table.end_rows(rows.len())?;
        }
        parsed.fault.clone().map_or(Ok(()), |fault| Err(fault.into()))
    }

    pub(super) fn push(&mut self, cells: &csv::ByteRecord, line: u64) -> Result<(), DataError> {
        let columns = self.table.columns().iter_mut().enumerate();
        cells.iter().zip(columns).try_for_each(|(cell, (place, column))| push(column, cell, line, place, self.form))
    }
}

fn push(column: &mut ColumnBuilder, cell: &[u8], line: u64, place: usize, form: &Form<'_>) -> Result<(), DataError> {
    column.push(cell, line, form.markers).map_err(|_| not_utf8(line, format!("\"{}\"", form.names[place])).into())
}

/// Takes some rows of a column: its other cells one by one, and with `rest` the rows between them.
fn take_rows(
    column: &mut ColumnBuilder,
    parsed: &Parsed,
    place: usize,
    rows: std::ops::Range<usize>,
    form: &Form<'_>,
    rest: impl Fn(&mut ColumnBuilder, std::ops::Range<usize>),
) -> Result<(), DataError> {
    let mut next = rows.start;
    for other in parsed.others(place, &rows) {
        rest(column, next..other.row as usize);
        push(column, parsed.cell(other), parsed.line(other), place, form)?;
        next = other.row as usize + 1;
    }
    rest(column, next..rows.end);
    Ok(())
}

/// Reads the rows of a text up to its first quote, if there is one. Of two faults the one that stands first in the file is told.
pub(super) fn plain(blocks: &mut Blocks<'_>, builder: &mut Builder<'_>) -> Result<(), DataError> {
    let mut parsed = Parsed::default();
    let mut alone = 0;
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(READERS));
    // As long as a column may yet show its numbers as they were written, all cells are taken one by one.
    while alone < ALONE || threads == 1 || builder.table.rows() < UNDECIDED_ROWS {
        if !blocks.fill(&mut parsed.block, if alone < ALONE { FIRST_BYTES } else { BYTES })? {
            return Ok(());
        }
        let is_early = builder.table.rows() < UNDECIDED_ROWS;
        let columns = builder.table.columns();
        builder.form.read(&mut parsed, |place| is_early || !columns[place].takes_numbers());
        builder.take(&parsed)?;
        alone += 1;
    }
    let texts: Vec<AtomicBool> =
        builder.table.columns().iter().map(|column| AtomicBool::new(!column.takes_numbers())).collect();
    let (used, to_fill) = channel::<Parsed>();
    let (form, texts) = (builder.form, texts.as_slice());
    thread::scope(|scope| {
        let (mut to_read, mut read): (Vec<SyncSender<Parsed>>, Vec<Receiver<Parsed>>) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let ((give, take), (done, next)) = (sync_channel::<Parsed>(1), sync_channel::<Parsed>(1));
            scope.spawn(move || {
                for mut parsed in take {
                    // Whether this is known already changes how fast a column is taken, not what becomes of it.
                    form.read(&mut parsed, |place| texts[place].load(Ordering::Relaxed));
                    if done.send(parsed).is_err() {
                        break;
                    }
                }
            });
            to_read.push(give);
            read.push(next);
        }
        let built = scope.spawn(move || {
            for next in read.iter().cycle() {
                let Ok(parsed) = next.recv() else { break };
                builder.take(&parsed)?;
                for (known, column) in texts.iter().zip(builder.table.columns()) {
                    known.store(!column.takes_numbers(), Ordering::Relaxed);
                }
                let _ = used.send(parsed); // nobody waits for it once the text is at its end
            }
            Ok::<(), DataError>(())
        });
        let mut outcome = Ok(());
        for to in to_read.iter().cycle() {
            let mut parsed = to_fill.try_recv().unwrap_or_default();
            match blocks.fill(&mut parsed.block, BYTES) {
                // A builder that is gone met a fault, which comes before all that is read here.
                Ok(true) if to.send(parsed).is_ok() => {}
                Ok(_) => break,
                Err(error) => {
                    outcome = Err(DataError::Io(error));
                    break;
                }
            }
        }
        drop(to_read);
        let built = built.join().unwrap_or_else(|_| Err(DataError::Io(std::io::Error::other("a thread ended early"))));
        built.and(outcome)
    })
}

/// Reads the rows of a text of any kind. Of two faults the one that stands first in the file is told.
pub(super) fn quoted(cutter: &mut Cutter<'_, '_>, builder: &mut Builder<'_>) -> Result<(), DataError> {
    use super::quoted::Batch;
    let take = |builder: &mut Builder<'_>, batch: &Batch| {
        batch.rows().try_for_each(|(record, line)| builder.push(record, line))?;
        builder.table.end_rows(batch.len())
    };
    let mut batch = Batch::default();
    let alone = match thread::available_parallelism() {
        Ok(threads) if threads.get() > 1 => ALONE,
        _ => usize::MAX,
    };
    for _ in 0..alone {
        let (some, outcome) = cutter.fill(&mut batch);
        if some {
            take(builder, &batch)?;
        }
        outcome?;
        if !some {
            return Ok(());
        }
    }
    let (full, to_build) = sync_channel::<Batch>(2);
    let (used, to_fill) = channel::<Batch>();
    thread::scope(|scope| {
        let built = scope.spawn(move || {
            for batch in to_build {
                take(builder, &batch)?;
                let _ = used.send(batch); // nobody waits for it once the text is at its end
            }
            Ok::<(), DataError>(())
        });
        let outcome = loop {
            let mut batch = to_fill.try_recv().unwrap_or_default();
            let (some, cut) = cutter.fill(&mut batch);
            // A builder that is gone met a fault, which comes before all that is cut here.
            let gone = some && full.send(batch).is_err();
            if !some || gone || cut.is_err() {
                break cut;
            }
        };
        drop(full);
        let built = built.join().unwrap_or_else(|_| Err(DataError::Io(std::io::Error::other("a thread ended early"))));
        built.and(outcome)
    })
}
