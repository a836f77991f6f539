//! What the checks of a job said, as far as the rules look at it: read from their reports, whoever keeps them.

use serde_json::Value;

/// What failed before the first step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Whether the gradient check failed, and in which tensors.
    pub gradient_failed: Option<Vec<String>>,
    /// Whether the overfit test failed, and what its report advises.
    pub overfit_failed: Option<String>,
    /// The rate that the range test suggests, where it was run and found one.
    pub suggested_rate: Option<f64>,
    /// What the check of the data found wrong.
    pub data: Vec<DataFault>,
}

/// One thing that is wrong with the data.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFault {
    /// As in the report: `column_gives_away`, `contradicting_labels`, ….
    pub code: String,
    /// What, in words.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// The columns that it is about.
    pub columns: Vec<String>,
}

impl Checked {
    /// Takes in a report of a check: its kind, its verdict, its document. A later one of a kind replaces an earlier one.
    pub fn add(&mut self, kind: &str, verdict: &str, document: &Value) {
        let failed = verdict == "failed";
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        match kind {
            "gradient" => {
                let tensors = document["tensors"].as_array().into_iter().flatten();
                let wrong = tensors.filter(|tensor| tensor["verdict"] == "failed").map(|tensor| text(tensor, "name"));
                self.gradient_failed = failed.then(|| wrong.collect());
            }
            "lr_range" => self.suggested_rate = document["suggestion"].as_f64(),
            "overfit" => self.overfit_failed = failed.then(|| text(document, "advice")),
            "data" => {
                let found = document["findings"].as_array().into_iter().flatten();
                let columns = |finding: &Value| {
                    let all = finding["columns"].as_array().into_iter().flatten();
                    all.filter_map(Value::as_str).map(str::to_owned).collect()
                };
                let fault = |finding: &Value| DataFault {
                    code: text(finding, "code"),
                    message: text(finding, "message"),
                    advice: text(finding, "advice"),
                    columns: columns(finding),
                };
                self.data = found.filter(|finding| finding["verdict"] == "failed").map(fault).collect();
            }
            _ => {}
        }
    }
}
