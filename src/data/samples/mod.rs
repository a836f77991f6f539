//! Small real datasets that come with the binary. Where they are from and under which licence: `README.md` beside this file.

/// A dataset that comes with the binary.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The name in `sample:NAME`.
    pub name: &'static str,
    /// One sentence about it.
    pub description: &'static str,
    /// The column one would predict.
    pub target: &'static str,
    /// Data rows.
    pub rows: usize,
    /// Where it is from.
    pub source: &'static str,
    /// Under which terms.
    pub licence: &'static str,
    /// The file, a CSV with a header.
    pub csv: &'static [u8],
}

/// By name.
const SAMPLES: [Sample; 2] = [
    Sample {
        name: "digits",
        description: "8x8 grey levels of handwritten digits, and the digit",
        target: "digit",
        rows: 1797,
        source: "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (test set), UCI Machine Learning Repository, 1998, doi:10.24432/C50P49",
        licence: "CC BY 4.0",
        csv: include_bytes!("digits.csv"),
    },
    Sample {
        name: "iris",
        description: "Four lengths of iris flowers in cm, and the species",
        target: "species",
        rows: 150,
        source: "R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936; UCI Machine Learning Repository, doi:10.24432/C56C76",
        licence: "CC BY 4.0",
        csv: include_bytes!("iris.csv"),
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
