//! What a generated sample is drawn by: its parameters with their ranges, and the reading of what a client asks for.

use std::borrow::Cow;

use super::{Content, Sample, get};

/// A number that a sample is drawn by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in a query.
    pub name: &'static str,
    /// One sentence about it.
    pub help: &'static str,
    /// Its value where nothing is said.
    pub default: f64,
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub most: f64,
    /// Whether it is a whole number.
    pub whole: bool,
}

impl Parameter {
    /// A whole number.
    pub(super) const fn whole(
        name: &'static str,
        default: u64,
        least: u64,
        most: u64,
        help: &'static str,
    ) -> Parameter {
        Parameter { name, help, default: default as f64, least: least as f64, most: most as f64, whole: true }
    }

    /// Any number.
    pub(super) const fn number(
        name: &'static str,
        default: f64,
        least: f64,
        most: f64,
        help: &'static str,
    ) -> Parameter {
        Parameter { name, help, default, least, most, whole: false }
    }

    fn read(&self, text: &str) -> Result<f64, String> {
        let value = text.trim().parse::<f64>().ok().filter(|x| (self.least..=self.most).contains(x));
        value.filter(|x| !self.whole || x.fract() == 0.0).ok_or_else(|| {
            let kind = if self.whole { "a whole number" } else { "a number" };
            let shown = crate::data::cell::shorten(text);
            format!("must be {kind} from {} to {}, got \"{shown}\"", self.least, self.most)
        })
    }
}

/// A sample with a value for each of its parameters.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The sample.
    pub sample: &'static Sample,
    values: Vec<f64>,
}

/// The values that a generator asks for.
pub(super) struct Wanted<'d>(&'d Drawn);

impl Wanted<'_> {
    pub(super) fn number(&self, name: &str) -> f64 {
        let named = self.0.sample.parameters.iter().zip(&self.0.values).find(|(parameter, _)| parameter.name == name);
        named.map_or(0.0, |(_, value)| *value)
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.number(name) as usize
    }
}

impl Drawn {
    pub(super) fn plain(sample: &'static Sample) -> Drawn {
        Drawn { sample, values: sample.parameters.iter().map(|parameter| parameter.default).collect() }
    }

    /// The name that it is installed under: the sample's, then what differs from the defaults (`spirals-rows-500-seed-7`). Equal draws
    /// have equal names; `None` where it would be too long for one.
    pub fn name(&self) -> Option<String> {
        let mut name = self.sample.name.to_owned();
        for (parameter, value) in self.sample.parameters.iter().zip(&self.values) {
            if *value != parameter.default {
                name += &format!("-{}-{value}", parameter.name);
            }
        }
        (name.len() <= 64).then_some(name)
    }

    /// The file, a CSV with a header; the same bytes for the same values, on every machine.
    pub fn csv(&self) -> Cow<'static, [u8]> {
        match self.sample.content {
            Content::Bundled(bytes) => Cow::Borrowed(bytes),
            Content::Generated(generate) => Cow::Owned(generate(&Wanted(self)).into_bytes()),
        }
    }
}

/// A sample with the values that were asked for.
///
/// # Errors
/// Every name that it does not have and every value out of range, each with its name.
pub fn choose<'a>(
    sample: &'static Sample,
    asked: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Drawn, Vec<(String, String)>> {
    let mut drawn = Drawn::plain(sample);
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (name, text) in asked {
        let place = sample.parameters.iter().position(|parameter| parameter.name == name);
        let outcome = match place {
            Some(place) if seen.contains(&place) => Err("stands more than once".to_owned()),
            Some(place) => {
                seen.push(place);
                sample.parameters[place].read(text).map(|value| drawn.values[place] = value)
            }
            None if sample.parameters.is_empty() => {
                Err(format!("is nothing that {} is drawn by: it is a file and takes no parameters", sample.name))
            }
            None => {
                let known: Vec<&str> = sample.parameters.iter().map(|parameter| parameter.name).collect();
                Err(format!("is nothing that {} is drawn by; it takes {}", sample.name, known.join(", ")))
            }
        };
        faults.extend(outcome.err().map(|detail| (name.to_owned(), detail)));
    }
    if faults.is_empty() { Ok(drawn) } else { Err(faults) }
}

/// The sample that `NAME` or `NAME?rows=500&seed=7` means, as it stands behind `sample:`; `None` where there is none of that name.
///
/// # Errors
/// As [`choose`], in words.
pub fn find(reference: &str) -> Result<Option<Drawn>, String> {
    let (name, query) = reference.split_once('?').unwrap_or((reference, ""));
    let Some(sample) = get(name) else { return Ok(None) };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    choose(sample, pairs).map(Some).map_err(|faults| {
        faults
            .iter()
            .map(|(name, detail)| format!("\"{}\" {detail}", crate::data::cell::shorten(name)))
            .collect::<Vec<_>>()
            .join("; ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_drawn_and_the_same_each_time() {
        for (reference, rows, name) in [
            ("spirals?rows=120&arms=3&seed=7", 120, "spirals-seed-7-rows-120-arms-3"),
            ("blobs?rows=50&clusters=12&spread=0.25", 50, "blobs-rows-50-clusters-12-spread-0.25"),
            ("rare-words?rows=40&rare=2&common=1&noise=0", 40, "rare-words-rows-40-rare-2-common-1-noise-0"),
            ("shared-words?rows=60&kinds=3&words=10&tagged=9", 60, "shared-words-rows-60-words-10-kinds-3-tagged-9"),
            ("two-tasks?rows=50&labelled=5", 50, "two-tasks-rows-50-labelled-5"),
            ("iris", 150, "iris"),
            ("spirals?seed=1&noise=0.04", 1000, "spirals"),
        ] {
            let drawn = find(reference).unwrap().unwrap();
            let csv = drawn.csv();
            assert_eq!(csv.iter().filter(|byte| **byte == b'\n').count(), rows + 1, "{reference}");
            assert_eq!(csv, find(reference).unwrap().unwrap().csv());
            assert_eq!(drawn.name().as_deref(), Some(name));
        }
        let of = |reference| find(reference).unwrap().unwrap().csv();
        assert_ne!(of("spirals?seed=2"), of("spirals"));
        assert_eq!(of("spirals?seed=1"), of("spirals"));
        assert!(find("tulips").unwrap().is_none());
    }

    #[test]
    fn every_wrong_parameter_is_told_at_once() {
        let told = find("spirals?rows=1.5&arms=99&clusters=3&noise=x&seed=2&seed=3").unwrap_err();
        for wanted in [
            "\"rows\" must be a whole number from 10 to 1000000",
            "\"arms\" must be a whole number from 2 to 10, got \"99\"",
            "\"clusters\" is nothing that spirals is drawn by; it takes seed, rows",
            "\"noise\" must be a number from 0 to 1",
            "\"seed\" stands more than once",
        ] {
            assert!(told.contains(wanted), "{told}");
        }
        assert!(find("iris?rows=3").unwrap_err().contains("it is a file"));
        assert!(find("spirals?noise=NaN").is_err() && find("spirals?noise=inf").is_err());
    }
}
