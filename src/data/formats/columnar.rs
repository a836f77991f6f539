//! Parquet and Arrow IPC files: batches of typed columns. Decoding is parquet's and arrow's; what a value becomes is decided here.
//!
//! Numbers of any width (also decimals) become numbers, times and dates times, texts and dictionaries of texts what the cells of a
//! CSV would. NaN and infinities count as missing. Columns of lists, structs and bytes are a fault that names them.

use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::{ArrowError, DataType, Schema, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::{Found, claims, fault, told};
use crate::data::build::{TableBuilder, check_kinds, declared, too_many_rows};
use crate::data::columns::ColumnBuilder;
use crate::data::csv::ParseOptions;
use crate::data::error::FileFault;
use crate::data::parse::Markers;
use crate::data::table::format_datetime;
use crate::data::{DataError, Storage, StoredTable};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;

/// Reads a Parquet file.
pub(super) fn parquet(
    reader: impl ChunkReader + 'static,
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Found), DataError> {
    guarded("Parquet", || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(reader).map_err(|error| broken("Parquet", &error))?;
        let rows = builder.metadata().file_metadata().num_rows();
        let schema = builder.schema().clone();
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| broken("Parquet", &error))?;
        read("parquet", &schema, usize::try_from(rows).unwrap_or(usize::MAX), batches, options, storage)
    })
}

/// Reads an Arrow IPC file (Feather version 2).
pub(super) fn arrow(
    mut reader: impl Read + Seek,
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Found), DataError> {
    guarded("Arrow", || {
        if let Some(claim) = claims::too_large(&mut reader) {
            return Err(broken("Arrow", &format!("a packed buffer claims to hold {claim} bytes")));
        }
        let batches = FileReader::try_new(reader, None).map_err(|error| broken("Arrow", &error))?;
        let schema = batches.schema();
        read("arrow", &schema, 0, batches, options, storage)
    })
}

/// A decoder that panics on broken bytes must not end the request without an answer.
fn guarded(
    name: &'static str,
    work: impl FnOnce() -> Result<(StoredTable, Found), DataError>,
) -> Result<(StoredTable, Found), DataError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(broken(name, &"it cannot be decoded")))
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> DataError {
    let code = if name == "Parquet" { "broken_parquet" } else { "broken_arrow" };
    fault(code, None, format!("the {name} file is broken: {error}"), "write it again, or send it as CSV").into()
}

fn read(
    format: &'static str,
    schema: &Schema,
    rows: usize,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    options: &ParseOptions,
    storage: Storage,
) -> Result<(StoredTable, Found), DataError> {
    let limits = options.limits;
    let fields = schema.fields();
    if fields.len() > limits.columns {
        let detail = format!("the file has {} columns, the limit is {}", fields.len(), limits.columns);
        return Err(fault("too_many_columns", None, detail, "leave columns out").into());
    }
    if rows > limits.rows {
        return Err(too_many_rows(limits.rows).into());
    }
    let names: Vec<String> = fields.iter().map(|field| field.name().trim().to_owned()).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
        let detail = format!("the name \"{name}\" stands in more than one column");
        return Err(fault("duplicate_column", None, detail, "give each column a name of its own").into());
    }
    let forms = fields.iter().map(|field| Form::of(field.name(), field.data_type()));
    let forms = forms.collect::<Result<Vec<Form>, FileFault>>()?;
    check_kinds(&options.kinds, &names)?;
    let markers = Markers::new(options.null.as_deref());
    let kinds = declared(&options.kinds);
    let mut table = TableBuilder::new(storage)?;
    for name in &names {
        table.add(name.clone(), false, kinds.get(name.as_str()).copied(), b'.');
    }
    let mut count = 0;
    let (give, take) = sync_channel::<RecordBatch>(2);
    thread::scope(|scope| {
        // One thread decodes, the other one puts what it finds into the table.
        let (table, forms, markers) = (&mut table, &forms, &markers);
        let built = scope.spawn(move || {
            for part in take {
                let before = table.rows();
                for ((array, form), column) in part.columns().iter().zip(forms).zip(table.columns()) {
                    form.push(array, column, before, markers)?;
                }
                table.end_rows(part.num_rows())?;
            }
            Ok::<(), DataError>(())
        });
        let outcome = (|| {
            for batch in batches {
                let batch =
                    batch.map_err(|error| broken(if format == "parquet" { "Parquet" } else { "Arrow" }, &error))?;
                count += batch.num_rows();
                if count > limits.rows {
                    return Err(too_many_rows(limits.rows).into());
                }
                // A batch of an Arrow file may have any length.
                for start in (0..batch.num_rows()).step_by(BATCH_ROWS) {
                    // A builder that is gone met a fault, which comes before all that is decoded here.
                    if give.send(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start))).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })();
        drop(give);
        match built.join() {
            Ok(built) => built.and(outcome),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    if count == 0 || names.is_empty() {
        return Err(fault("empty_file", None, "there are no rows", "send a file with at least one row").into());
    }
    Ok((table.finish()?, Found { format: format.to_owned(), options: told(options, None) }))
}

/// What becomes of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Number,
    Boolean,
    Time,
    Text,
}

impl Form {
    fn of(name: &str, found: &DataType) -> Result<Form, FileFault> {
        Ok(match found {
            kind if kind.is_numeric() => Form::Number,
            DataType::Boolean => Form::Boolean,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Form::Time,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Form::Text,
            DataType::Dictionary(_, values) => Form::of(name, values)?,
            other => {
                return Err(FileFault {
                    code: "unsupported_column",
                    line: None,
                    column: Some(format!("\"{name}\"")),
                    detail: format!("holds values of type {other}"),
                    remedy: "write numbers, texts, booleans or times, or leave the column out".into(),
                });
            }
        })
    }

    fn push(
        self,
        array: &ArrayRef,
        builder: &mut ColumnBuilder,
        before: usize,
        markers: &Markers,
    ) -> Result<(), DataError> {
        let wanted = match self {
            Form::Number => DataType::Float64,
            Form::Boolean => DataType::Boolean,
            Form::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
            Form::Text => DataType::Utf8,
        };
        let cast = arrow_cast::cast(array, &wanted)
            .map_err(|error| fault("unsupported_column", None, error.to_string(), "write it as text or numbers"))?;
        let text = |builder: &mut ColumnBuilder, row: usize, text: &str| {
            // A columnar file has rows and no lines: the number told in warnings is that of the row, from 1.
            let pushed = builder.push(text.as_bytes(), (before + row + 1) as u64, markers);
            pushed.map_err(|error| fault("not_utf8", None, error.to_string(), "write texts as UTF-8"))
        };
        match self {
            Form::Number => {
                let values = cast.as_primitive::<Float64Type>();
                match values.null_count() == 0 && values.values().iter().all(|x| x.is_finite()) {
                    true => builder.push_numbers(values.values()),
                    false => {
                        let finite = |x: Option<f64>| x.filter(|x| x.is_finite()).unwrap_or(f64::NAN);
                        builder.push_numbers(&values.iter().map(finite).collect::<Vec<f64>>());
                    }
                }
            }
            Form::Boolean => {
                let values = cast.as_boolean();
                for row in 0..values.len() {
                    match values.is_valid(row) {
                        true => text(builder, row, if values.value(row) { "true" } else { "false" })?,
                        false => builder.push_missing(),
                    }
                }
            }
            Form::Time => {
                let values = cast.as_primitive::<TimestampMillisecondType>();
                for row in 0..values.len() {
                    match values.is_valid(row) {
                        true => text(builder, row, &format_datetime(values.value(row)))?,
                        false => builder.push_missing(),
                    }
                }
            }
            Form::Text => {
                let values = cast.as_string::<i32>();
                for row in 0..values.len() {
                    match values.is_valid(row) {
                        true => text(builder, row, values.value(row))?,
                        false => builder.push_missing(),
                    }
                }
            }
        }
        Ok(())
    }
}
