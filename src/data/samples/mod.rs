//! Small datasets that come with the binary: real ones, and ones drawn from a seed to show a technique at work. Where the real ones are from and under which
//! licence: `README.md` beside this file.

mod generated;
mod parameters;

use std::borrow::Cow;

use generated::{BLOBS, RARE_WORDS, SHARED_WORDS, SPIRALS, TWO_TASKS};
use parameters::Wanted;
pub use parameters::{Drawn, Parameter, choose, find};

/// A dataset that comes with the binary.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The name in `sample:NAME`.
    pub name: &'static str,
    /// One sentence about it.
    pub description: &'static str,
    /// The column one would predict.
    pub target: &'static str,
    /// Data rows, unless it is drawn with others.
    pub rows: usize,
    /// Where it is from.
    pub source: &'static str,
    /// Under which terms.
    pub licence: &'static str,
    /// What it can be drawn by; nothing for those that are bundled.
    pub parameters: &'static [Parameter],
    content: Content,
}

/// Where the bytes are.
#[derive(Clone, Copy, Debug)]
enum Content {
    Bundled(&'static [u8]),
    Generated(fn(&Wanted<'_>) -> String),
}

impl Sample {
    /// The file with every parameter at its default, a CSV with a header; the same bytes each time.
    pub fn csv(&'static self) -> Cow<'static, [u8]> {
        Drawn::plain(self).csv()
    }
}

/// A sample that this server draws itself.
const fn generated(
    name: &'static str,
    rows: usize,
    target: &'static str,
    description: &'static str,
    parameters: &'static [Parameter],
    generate: fn(&Wanted<'_>) -> String,
) -> Sample {
    let (source, licence) = ("drawn by this server from a seed", "CC0 1.0");
    Sample { name, description, target, rows, source, licence, parameters, content: Content::Generated(generate) }
}

/// By name.
static SAMPLES: [Sample; 10] = [
    generated("blobs", 1000, "cloud", "Five clouds of points in the plane", &BLOBS, generated::blobs),
    Sample {
        name: "breast-cancer",
        description: "Thirty measures of cell nuclei, and whether the tumour is malignant",
        target: "diagnosis",
        rows: 569,
        source: "W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning Repository, 1993, doi:10.24432/C5DW2B",
        licence: "CC BY 4.0",
        parameters: &[],
        content: Content::Bundled(include_bytes!("breast-cancer.csv")),
    },
    Sample {
        name: "diabetes",
        description: "Ten measures of patients, and how far diabetes went a year later",
        target: "progression",
        rows: 442,
        source: "B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, Annals of Statistics 32, 2004, 407-499; the copy of scikit-learn 1.9.1",
        licence: "BSD 3-Clause, as part of scikit-learn; the authors name none",
        parameters: &[],
        content: Content::Bundled(include_bytes!("diabetes.csv")),
    },
    Sample {
        name: "digits",
        description: "8x8 grey levels of handwritten digits, and the digit",
        target: "digit",
        rows: 1797,
        source: "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (test set), UCI Machine Learning Repository, 1998, doi:10.24432/C50P49",
        licence: "CC BY 4.0",
        parameters: &[],
        content: Content::Bundled(include_bytes!("digits.csv")),
    },
    Sample {
        name: "iris",
        description: "Four lengths of iris flowers in cm, and the species",
        target: "species",
        rows: 150,
        source: "R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936; UCI Machine Learning Repository, doi:10.24432/C56C76",
        licence: "CC BY 4.0",
        parameters: &[],
        content: Content::Bundled(include_bytes!("iris.csv")),
    },
    generated(
        "rare-words",
        4000,
        "label",
        "Texts whose label hangs on words that are each seen about five times: AdaGrad's case",
        &RARE_WORDS,
        generated::rare_words,
    ),
    generated(
        "shared-words",
        3000,
        "tag",
        "Three words a row; `kind` is known everywhere, `tag` in 400 training rows: word vectors shared between tasks",
        &SHARED_WORDS,
        generated::shared_words,
    ),
    generated(
        "spirals",
        1000,
        "arm",
        "Two arms that wind around each other: no straight line parts them",
        &SPIRALS,
        generated::spirals,
    ),
    generated(
        "two-tasks",
        2500,
        "few",
        "Twelve numbers; `many` is known everywhere, `few` in 200 training rows: a second task that helps the first",
        &TWO_TASKS,
        generated::two_tasks,
    ),
    Sample {
        name: "wine",
        description: "Thirteen chemical measures of Italian wines, and the cultivar",
        target: "cultivar",
        rows: 178,
        source: "S. Aeberhard and M. Forina, Wine, UCI Machine Learning Repository, 1992, doi:10.24432/C5PC7J",
        licence: "CC BY 4.0",
        parameters: &[],
        content: Content::Bundled(include_bytes!("wine.csv")),
    },
];

/// All samples, by name.
pub fn list() -> &'static [Sample] {
    &SAMPLES
}

/// The sample of that name.
pub fn get(name: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.name == name)
}
