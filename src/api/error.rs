//! The one map from the rooms' errors to problems. Each match is exhaustive, so that a new error has to be thought of here.
//!
//! What a client reads names no path, no SQL and no backtrace; what is internal goes to the log under the request's id.

use super::problem::{Fault, Kind, Problem};
use crate::data::DataError;
use crate::id::ParseError;
use crate::predict::PredictError;
use crate::spec;
use crate::store::StoreError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::NotFound { what, key } => Problem::not_found(what, &key),
            StoreError::NameTaken { .. } => Problem::new(Kind::NameTaken, error.to_string()),
            StoreError::InUse { .. } => Problem::new(Kind::InUse, error.to_string()),
            StoreError::WrongState { .. } | StoreError::Led { .. } | StoreError::RunState { .. } => {
                Problem::new(Kind::WrongState, error.to_string())
            }
            StoreError::Cursor(_) => {
                Problem::faults(Kind::Malformed, vec![Fault::parameter("after", "is not a cursor that this list gave")])
            }
            StoreError::QueueFull { .. } => Problem::new(Kind::TooMany, error.to_string()).retry_after(5),
            StoreError::Full => Problem::new(
                Kind::DiskFull,
                "the data directory is nearly full: nothing new is taken in until there is room; reading, predicting and deleting go on",
            ),
            StoreError::Busy => Problem::new(Kind::Busy, "the store is busy").retry_after(1),
            StoreError::Closed => Problem::new(Kind::Busy, "the server is stopping").retry_after(5),
            StoreError::Damaged { .. }
            | StoreError::Stale { .. }
            | StoreError::Locked { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Refused(_)
            | StoreError::Io(_)
            | StoreError::Database(_) => Problem::internal(error),
        }
    }
}

/// A data file that was sent is at fault, or what was asked of it; a damaged file of ours is internal.
impl From<DataError> for Problem {
    fn from(error: DataError) -> Problem {
        match error {
            DataError::File(fault) => {
                let place = Fault {
                    line: fault.line,
                    column: fault.column.clone(),
                    detail: format!("{}; {}", fault.detail, fault.remedy),
                    ..Fault::default()
                };
                Problem::new(Kind::InvalidDataset, fault.to_string()).with_errors(vec![place])
            }
            DataError::Options(faults) => Problem::faults(
                Kind::Malformed,
                faults.into_iter().map(|fault| Fault::parameter(fault.option, fault.detail)).collect(),
            ),
            DataError::Plan(faults) => {
                let places = faults.iter().map(|fault| Fault {
                    column: fault.column.clone(),
                    detail: fault.to_string(),
                    ..Fault::default()
                });
                Problem::faults(Kind::InvalidDataset, places.collect())
            }
            DataError::Rows(faults) => {
                let places = faults.iter().map(|fault| Fault {
                    row: Some(fault.row as u64),
                    column: Some(fault.column.clone()),
                    detail: fault.to_string(),
                    ..Fault::default()
                });
                Problem::faults(Kind::InvalidRows, places.collect())
            }
            DataError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => StoreError::Full.into(),
            DataError::Corrupt(_) | DataError::Io(_) => Problem::internal(error),
        }
    }
}

/// A checkpoint of ours that cannot be read is internal; rows that do not fit the model are the client's.
impl From<PredictError> for Problem {
    fn from(error: PredictError) -> Problem {
        match error {
            PredictError::Checkpoint(error) => Problem::internal(error),
            PredictError::Data(DataError::Plan(faults)) => {
                let places = faults.into_iter().map(|fault| Fault {
                    detail: fault.to_string(),
                    column: fault.column,
                    ..Fault::default()
                });
                Problem::faults(Kind::InvalidRows, places.collect())
            }
            PredictError::Data(error) => error.into(),
        }
    }
}

/// Every fault of a job spec.
pub(crate) fn spec_faults(faults: Vec<spec::Fault>) -> Problem {
    let errors = faults.into_iter().map(|fault| Fault::at(fault.pointer, fault.detail)).collect();
    Problem::faults(Kind::InvalidSpec, errors)
}

/// An id in an address that is none names nothing.
pub(crate) fn no_such(what: &str, text: &str, error: &ParseError) -> Problem {
    let problem = Problem::not_found(what, text);
    Problem::new(Kind::NotFound, format!("{}: {error}", problem.detail()))
}
