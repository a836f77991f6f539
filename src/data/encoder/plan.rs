//! How columns are to become numbers: plain values, made by `spec`. Nothing here has seen data.

use serde::{Deserialize, Serialize};

/// What goes in, what comes out, and how each column is turned into numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncoderPlan {
    /// The inputs in the order of the features.
    pub inputs: Vec<InputPlan>,
    /// The vocabularies that inputs look into, by name.
    pub tables: Vec<TablePlan>,
    /// What is to be predicted.
    pub targets: Vec<TargetPlan>,
    /// A column of weights ≥ 0, one a row.
    pub sample_weight: Option<String>,
}

/// One column that goes in.
#[derive(Clone, Debug, PartialEq)]
pub struct InputPlan {
    /// The column's name.
    pub column: String,
    /// How it is turned into numbers.
    pub encoding: Encoding,
}

/// How one column is turned into numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// One feature from a number.
    Numeric {
        /// How it is scaled.
        scale: NumericScale,
        /// What stands in for a missing value.
        missing: MissingNumber,
        /// Whether a second feature says that the value was missing.
        indicator: bool,
        /// Whether numbers far out are brought in, before anything else is learned of the column.
        clip: Clip,
    },
    /// One feature, 0 or 1.
    Boolean {
        /// What stands in for a missing value.
        missing: MissingTruth,
        /// Whether a second feature says that the value was missing.
        indicator: bool,
    },
    /// One feature for each category of the training part.
    OneHot {
        /// What a category does that the training part does not have.
        unknown: UnknownCategory,
        /// What a missing category is; of its own, the last feature, where the training part has missing ones.
        missing: MissingCategory,
    },
    /// One of so many features by the hash of the category: nothing of the categories is learned or kept, and there are no unknown ones.
    HashedOneHot {
        /// Features that categories are spread over; several may fall together.
        buckets: usize,
        /// What a missing category is; of its own, the last feature, where the training part has missing ones.
        missing: MissingCategory,
    },
    /// One row of an embedding table; an unknown category is `<unk>`.
    Embedding {
        /// The table's name, as in [`EncoderPlan::tables`].
        table: String,
        /// What a missing category is: of its own, the word `<missing>`; neutral, `<unk>`.
        missing: MissingCategory,
    },
    /// Features from a point in time.
    Datetime {
        /// Which, in this order.
        parts: Vec<DatetimePart>,
        /// What stands in for a missing time.
        missing: MissingMoment,
        /// Whether one more feature says that the time was missing.
        indicator: bool,
    },
    /// Several rows of an embedding table, from the words of a text.
    Words {
        /// The table's name.
        table: String,
        /// How the words are cut out.
        tokenizer: Tokenizer,
        /// What becomes of the rows.
        pooling: Pooling,
        /// Words beyond this many are cut off.
        max_tokens: usize,
    },
}

/// How a number is scaled. All of it is learned from the training part; a column that is constant there is only shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumericScale {
    /// As it is.
    None,
    /// (x − mean) / std, std divided by n.
    Standardize,
    /// Linearly onto [−1, 1].
    MinMax,
    /// (x − median) / (third quartile − first quartile).
    Robust,
    /// By rank onto [−1, 1], piecewise linear between at most 1001 quantiles.
    Quantile,
}

/// What stands in for a missing number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNumber {
    /// The mean of the training part.
    Mean,
    /// The median of the training part.
    Median,
    /// This number, before scaling.
    Constant(f64),
}

/// Where numbers end. What lies beyond is moved onto the nearest end, in training and in predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Clip {
    /// Nowhere.
    #[default]
    None,
    /// At these quantiles of the training part.
    Quantile {
        /// 0 ≤ low < high.
        low: f64,
        /// low < high ≤ 1.
        high: f64,
    },
    /// So many standard deviations on either side of the training part's mean.
    Std {
        /// More than 0.
        times: f64,
    },
}

/// What stands in for a missing yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingTruth {
    /// The training part's share of ones.
    Mean,
    /// This.
    Constant(bool),
}

/// What a missing category is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingCategory {
    /// A category of its own.
    Own,
    /// Nothing: zeros, or the row of the unknown.
    Neutral,
    /// The most frequent of the training part, the first in order of equal ones.
    MostFrequent,
    /// This one.
    Constant(String),
}

/// What stands in for a missing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingMoment {
    /// All features are zero.
    Zeros,
    /// The mean of the training part.
    Mean,
    /// The median of the training part.
    Median,
    /// This one, in milliseconds since 1970.
    Constant(i64),
}

/// What a category does that the training part does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCategory {
    /// All its features are zero.
    Zeros,
    /// The row is refused.
    Refuse,
}

/// What is taken from a point in time (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatetimePart {
    /// Days since 1970, standardised.
    Time,
    /// The year, standardised.
    Year,
    /// The quarter on a circle: sine and cosine.
    Quarter,
    /// The month on a circle.
    Month,
    /// The day of the month on a circle as long as that month.
    Day,
    /// The day of the year on a circle as long as that year.
    DayOfYear,
    /// The day of the week on a circle.
    Weekday,
    /// 1 on Saturdays and Sundays, else 0.
    Weekend,
    /// The hour (with its minutes) on a circle.
    Hour,
    /// The minute (with its seconds) on a circle.
    Minute,
    /// The second (with its fraction) on a circle.
    Second,
}

impl DatetimePart {
    /// Features of this part: two on a circle, else one.
    pub fn width(self) -> usize {
        if matches!(self, DatetimePart::Time | DatetimePart::Year | DatetimePart::Weekend) { 1 } else { 2 }
    }
}

/// How words are cut out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// Runs of letters and digits, with `'` inside; `<like_this>` whole; everything else separates.
    Words,
    /// Whatever stands between white space.
    Whitespace,
}

/// What becomes of the words of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// One category, one row of the table.
    Single,
    /// The first `length` words beside each other; `<pad>` at the end where there are fewer.
    Window {
        /// Words.
        length: usize,
    },
    /// Their sum; no words, zeros.
    Sum,
    /// Their mean; no words, zeros.
    Mean,
}

/// A vocabulary that inputs share.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePlan {
    /// Its name, as in `inputs.embeddings`.
    pub name: String,
    /// At most this many words beside `<pad>` and `<unk>`: the most frequent of the training part.
    pub vocabulary: Option<usize>,
    /// Words that are rarer in the training part are `<unk>`.
    pub min_count: u64,
    /// Whether words are lower-cased before they are looked up.
    pub lowercase: bool,
    /// Words that are in it whatever the data say, in this order before all others: those of uploaded vectors.
    pub words: Vec<String>,
    /// Rows that words are spread over by their hash, instead of a row for each word of the training part.
    pub buckets: Option<usize>,
}

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPlan {
    /// Its name in metrics and predictions.
    pub name: String,
    /// Its columns: one, but for `Multilabel` and `Distribution`.
    pub columns: Vec<String>,
    /// What it is.
    pub kind: TargetKind,
}

impl TargetPlan {
    /// A target of one column, named as the column.
    pub fn column(name: impl Into<String>, kind: TargetKind) -> TargetPlan {
        let name = name.into();
        TargetPlan { columns: vec![name.clone()], name, kind }
    }

    pub(super) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TargetKind {
    /// One of several classes.
    Classification,
    /// One of two classes; the second in order is 1.
    Binary,
    /// A number.
    Regression {
        /// Whether it is standardised by the training part's mean and std.
        standardize: bool,
    },
    /// Several yes-or-no labels, a column each.
    Multilabel,
    /// Shares of classes that add up to 1, a column each.
    Distribution,
}
