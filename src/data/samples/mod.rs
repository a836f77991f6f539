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
    /// Where it is from.
    pub source: &'static str,
    /// Under which terms.
    pub licence: &'static str,
    /// The file, a CSV with a header.
    pub csv: &'static [u8],
}

/// All samples, by name.
pub fn list() -> &'static [Sample] {
    &[]
}

/// The sample of that name.
pub fn get(name: &str) -> Option<&'static Sample> {
    list().iter().find(|sample| sample.name == name)
}
