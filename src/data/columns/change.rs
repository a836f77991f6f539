//! How the blocks of a column become what the column was decided to be.

use crate::data::parse::{parse_boolean, parse_datetime, parse_number};
use crate::data::table::stored::Form;
use crate::data::table::{MISSING_CODE, MISSING_TIME, Values};

/// What becomes of the blocks of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Change {
    None,
    TextsToNumbers { decimal: u8 },
    TextsToTimes,
    TextsToBooleans,
}

impl Change {
    /// The values of a group as they are to be.
    pub(in crate::data) fn apply(self, values: &Values) -> Vec<u8> {
        let Values::Text { codes, dictionary } = values else { return Vec::new() };
        // Texts of a long dictionary are read anew for each row: there are fewer rows in a group.
        let text = |code: &u32| dictionary.get(*code as usize).map(String::as_str);
        match self {
            Change::None => Vec::new(),
            Change::TextsToNumbers { decimal } => {
                let number = |code: &u32| text(code).and_then(|text| parse_number(text.as_bytes(), decimal));
                codes.iter().flat_map(|code| number(code).unwrap_or(f64::NAN).to_le_bytes()).collect()
            }
            Change::TextsToTimes => {
                let time = |code: &u32| text(code).and_then(parse_datetime);
                codes.iter().flat_map(|code| time(code).unwrap_or(MISSING_TIME).to_le_bytes()).collect()
            }
            Change::TextsToBooleans => {
                let truth = |code: &u32| text(code).map(|text| u32::from(parse_boolean(text) == Some(true)));
                codes.iter().flat_map(|code| truth(code).unwrap_or(MISSING_CODE).to_le_bytes()).collect()
            }
        }
    }

    pub(in crate::data) fn form(self, before: Form) -> Form {
        match self {
            Change::None => before,
            Change::TextsToNumbers { .. } => Form::Numbers,
            Change::TextsToTimes => Form::Milliseconds,
            Change::TextsToBooleans => Form::Codes,
        }
    }
}
