//! Reads, runs and judges the demonstrations in `examples/*.json`; used by the story and by the program beside them. It speaks to a server through a function that
//! the caller gives.

use std::fmt::Write;

use serde_json::Value;

/// A demonstration.
pub struct Demonstration {
    /// The file's name.
    pub name: &'static str,
    file: Value,
}

/// What became of it.
pub struct Outcome {
    /// For a reader.
    pub table: String,
    /// Whether the expected gain is there.
    pub holds: bool,
}

macro_rules! demonstrations {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../examples/", $name, ".json")))),*]
    };
}

/// All of them.
pub fn all() -> Vec<Demonstration> {
    demonstrations!("rare-words", "shared-word-vectors", "second-task", "regularise", "sigmoid-init")
        .into_iter()
        .map(|(name, text)| Demonstration { name, file: serde_json::from_str(text).unwrap_or(Value::Null) })
        .collect()
}

impl Demonstration {
    /// Posts the base and forks every run from it, waits for all, and compares the groups. `call(method, path, body)` gives the answer's JSON.
    pub fn run(&self, call: impl Fn(&str, &str, Option<&Value>) -> Result<Value, String>) -> Result<Outcome, String> {
        let text = |pointer: &str| self.file.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let base = call("POST", "/v1/jobs", Some(&self.file["base"]))?;
        let base_path = format!("/v1/jobs/{}", base["id"].as_str().unwrap_or_default());
        let mut started = Vec::new();
        for run in self.file["runs"].as_array().into_iter().flatten() {
            let job = match run["patch"].as_object().is_some_and(|patch| patch.is_empty()) {
                true => base.clone(),
                false => call("POST", &format!("{base_path}/fork"), Some(&run["patch"]))?,
            };
            started.push((run, job["id"].as_str().unwrap_or_default().to_owned()));
        }
        let mut table = format!("{}\n  {}\n", text("/title"), text("/teaches"));
        let mut groups: Vec<(&str, Vec<f64>)> = Vec::new();
        for (run, id) in &started {
            let metric = run["metric"].as_str().unwrap_or(text("/metric"));
            // A diverged run has no value; it counts as the worst.
            let value = self.value(&call, id, metric)?.unwrap_or(f64::INFINITY);
            let group = run["group"].as_str().unwrap_or_default();
            let _ = writeln!(table, "  {group:<30} {metric} {value:<8.4} {}", run["patch"]);
            match groups.iter_mut().find(|(name, _)| *name == group) {
                Some((_, values)) => values.push(value),
                None => groups.push((group, vec![value])),
            }
        }
        let mut holds = true;
        for expected in self.file["expect"].as_array().into_iter().flatten() {
            let judged = |name: &Value| {
                let values = &groups.iter().find(|(group, _)| Some(*group) == name.as_str())?.1;
                Some(match expected["compare"].as_str() {
                    Some("best") => values.iter().copied().fold(f64::INFINITY, f64::min),
                    _ => values.iter().sum::<f64>() / values.len() as f64,
                })
            };
            let (better, worse) = (&expected["better"], &expected["worse"]);
            let factor = expected["factor"].as_f64().unwrap_or(1.0);
            let (Some(low), Some(high)) = (judged(better), judged(worse)) else {
                return Err("a group is missing".into());
            };
            holds &= low <= factor * high;
            let verdict = if low <= factor * high { "holds" } else { "DOES NOT HOLD" };
            let _ = writeln!(
                table,
                "  {verdict}: {better} {low:.4} against {worse} {high:.4}; expected at most {factor} times"
            );
        }
        table.push('\n');
        Ok(Outcome { table, holds })
    }

    /// The best value that a finished job reached, or the last where the file asks for that.
    fn value(
        &self,
        call: &impl Fn(&str, &str, Option<&Value>) -> Result<Value, String>,
        id: &str,
        metric: &str,
    ) -> Result<Option<f64>, String> {
        loop {
            let job = call("GET", &format!("/v1/jobs/{id}?wait=60"), None)?;
            match job["status"].as_str() {
                Some("succeeded") => break,
                Some("failed" | "cancelled") => return Ok(None),
                _ => {}
            }
        }
        let metrics = call("GET", &format!("/v1/jobs/{id}/metrics?names={metric}"), None)?;
        let values: Vec<f64> =
            metrics["columns"][metric].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        Ok(if self.file["at"] == "last" { values.last().copied() } else { values.into_iter().reduce(f64::min) })
    }
}
