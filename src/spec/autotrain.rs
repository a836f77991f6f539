//! What a client may ask of autotrain, and the job specs that it makes of recipes.
//!
//! The request is a job spec without what the strategy chooses by itself: data, target, inputs and seed are the client's, network and training
//! are not. Not here: what is tried (`practice::strategy`).

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::read::{At, Faults, Range};
use crate::practice::strategy::{Recipe, Situation};

/// Fields that a request has in common with a job spec; they are handed on as they are.
const SHARED: [&str; 10] = [
    "dataset",
    "target",
    "targets",
    "task_sampling",
    "sample_weight",
    "inputs",
    "precision",
    "threads",
    "priority",
    "tags",
];
/// Fields of a job spec that the strategy chooses, and what to do for them.
const CHOSEN: [(&str, &str); 17] = [
    ("split", "\"test\":0.2, \"folds\":5 and \"group\":\"column\""),
    ("hidden_layers", "nothing: autotrain chooses it"),
    ("activation", "nothing: autotrain chooses it"),
    ("dropout", "nothing: autotrain chooses it"),
    ("init", "nothing: autotrain chooses it"),
    ("optimizer", "nothing: autotrain chooses it"),
    ("learning_rate", "nothing: autotrain chooses it"),
    ("schedule", "nothing: autotrain chooses it"),
    ("batch_size", "nothing: autotrain chooses it"),
    ("epochs", "nothing: autotrain chooses it"),
    ("regularization", "nothing: autotrain chooses it"),
    ("early_stopping", "nothing: autotrain chooses it"),
    ("gradient_clipping", "nothing: autotrain chooses it"),
    ("checks", "nothing: autotrain runs them"),
    ("limits", "\"budget\":{\"seconds\":600}"),
    ("jobs", "\"budget\":{\"jobs\":24}"),
    ("seconds", "\"budget\":{\"seconds\":600}"),
];

/// Trainings unless the client says otherwise: each stage once, and a look around the best.
const TRAININGS: u64 = 24;
const MOST_TRAININGS: u64 = 1000;
/// With a budget in time as many trainings as fit.
const ENOUGH_TRAININGS: u64 = 200;
/// Rows above which one fold alone validates: the noise of a thousand rows is small beside what is looked for.
const MANY_ROWS: u64 = 5_000;
const FOLDS: u64 = 5;
/// The share that tests unless the client says otherwise.
const TEST: f64 = 0.2;
/// Fewer rows than these leave nothing to choose by.
const FEWEST_ROWS: u64 = 20;

/// A request that has its form; that its data and target make sense, the proof of its first trial tells.
#[derive(Clone, Debug, PartialEq)]
pub struct AutotrainSpec {
    shared: Map<String, Value>,
    name: Option<String>,
    seed: u64,
    test: Test,
    group: Option<String>,
    folds: u64,
    /// How many of the folds validate a recipe.
    validate: u64,
    rows: u64,
    trainings: u64,
    seconds: Option<f64>,
}

/// The rows that decide nothing.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Share(f64),
    Dataset(String),
}

/// The part of a request that is a job spec as it stands: what it is about, for a proof of that alone.
pub fn autotrain_job(request: &Value) -> Value {
    let fields = request.as_object().into_iter().flatten();
    let shared = fields.filter(|(name, _)| SHARED.contains(&name.as_str()));
    Value::Object(shared.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Reads a request; `rows` are those of its dataset.
///
/// # Errors
/// All faults of its form.
pub fn autotrain(request: &Value, rows: u64) -> Result<AutotrainSpec, Vec<Fault>> {
    let faults = Faults::default();
    let Some(spec) = read(&faults, request, rows) else { return Err(faults.into_list()) };
    if faults.is_empty() { Ok(spec) } else { Err(faults.into_list()) }
}

fn read(faults: &Faults, request: &Value, rows: u64) -> Option<AutotrainSpec> {
    let mut root = At::root(request, faults).object()?;
    let mut shared = Map::new();
    for name in SHARED {
        if let Some(at) = root.field(name) {
            shared.insert(name.to_owned(), at.value.clone());
        }
    }
    if !shared.contains_key("dataset") {
        root.fault("lacks \"dataset\": the id or name of a dataset");
    }
    let name = root.field("name").and_then(|at| super::prove::job_name(&at));
    let seed = root.whole("seed", 0, u64::MAX, 0);
    let group = root.field("group").and_then(|at| at.text()).map(str::to_owned);
    let test = match root.field("test") {
        None => Test::Share(TEST),
        Some(at) if at.is_off() => Test::Share(0.0),
        Some(at) if at.value.is_object() => {
            let mut object = at.object()?;
            let dataset = object.field("dataset").and_then(|at| at.text()).map(str::to_owned);
            if dataset.is_none() {
                object.fault("lacks \"dataset\": the id or name of a dataset with the same columns");
            }
            object.finish();
            Test::Dataset(dataset.unwrap_or_default())
        }
        Some(at) => Test::Share(at.number(Range::SHARE).unwrap_or(TEST)),
    };
    let share = if let Test::Share(share) = test { share } else { 0.0 };
    let learned = rows.saturating_sub((rows as f64 * share).round() as u64);
    if learned < FEWEST_ROWS {
        faults.add(
            "/dataset",
            format!("{learned} rows are left to learn and to choose from; at least {FEWEST_ROWS} are needed"),
        );
    }
    let folds_at = root.field("folds");
    let folds = folds_at.as_ref().and_then(|at| at.whole(2, 20)).unwrap_or(FOLDS);
    // A client that names the folds wants them all.
    let validate = if folds_at.is_none() && learned > MANY_ROWS { 1 } else { folds };
    let (mut trainings, mut seconds) = (TRAININGS, None);
    if let Some(mut budget) = root.field("budget").and_then(|at| at.object()) {
        let jobs = budget.field("jobs");
        let time = budget.field("seconds");
        if jobs.is_some() == time.is_some() {
            budget.fault("name either \"jobs\" (the same result each time) or \"seconds\"");
        }
        if let Some(at) = jobs {
            trainings = at.whole(2, MOST_TRAININGS).unwrap_or(TRAININGS);
        }
        if let Some(at) = time {
            seconds = at.number(Range { low: 1.0, high: 1e7, above: false, below: false });
            trainings = ENOUGH_TRAININGS;
        }
        budget.finish();
    }
    root.finish_with(&CHOSEN);
    Some(AutotrainSpec { shared, name, seed, test, group, folds, validate, rows: learned, trainings, seconds })
}

impl AutotrainSpec {
    /// The request with every default filled in; it reads as itself.
    pub fn to_json(&self) -> Value {
        let mut spec = self.shared.clone();
        spec.insert("name".to_owned(), json!(self.name));
        spec.insert("seed".to_owned(), self.seed.into());
        let test = match &self.test {
            Test::Share(0.0) => Value::Bool(false),
            Test::Share(share) => json!(share),
            Test::Dataset(dataset) => json!({"dataset": dataset}),
        };
        spec.insert("test".to_owned(), test);
        spec.insert("group".to_owned(), json!(self.group));
        if self.validate > 1 {
            spec.insert("folds".to_owned(), self.folds.into());
        }
        let budget = match self.seconds {
            Some(seconds) => json!({"seconds": seconds}),
            None => json!({"jobs": self.trainings}),
        };
        spec.insert("budget".to_owned(), budget);
        Value::Object(spec)
    }

    /// The client's label.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Seconds after which no further step begins.
    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }

    /// The dataset whose rows test, where it is another one.
    pub fn test_dataset(&self) -> Option<&str> {
        match &self.test {
            Test::Dataset(dataset) => Some(dataset),
            Test::Share(_) => None,
        }
    }

    /// Whether any rows test.
    pub fn tests(&self) -> bool {
        self.test != Test::Share(0.0)
    }

    /// Names the dataset that tests anew, where one does.
    pub fn test_on(&mut self, id: &str) {
        if let Test::Dataset(dataset) = &mut self.test {
            id.clone_into(dataset);
        }
    }

    /// Names the dataset to learn from anew.
    pub fn learn_from(&mut self, id: &str) {
        self.shared.insert("dataset".to_owned(), id.into());
    }

    /// What the strategy decides from.
    pub fn situation(&self, out_of_time: bool) -> Situation {
        Situation {
            rows: self.rows,
            folds: self.validate,
            tests: self.tests(),
            most_trainings: self.trainings,
            out_of_time,
            seed: self.seed,
        }
    }

    /// The job that validates a recipe: a cross-validation, or one fold of it where the rows are many.
    pub fn trial(&self, recipe: &Recipe, seconds_left: Option<f64>) -> Value {
        let mut split = json!({"k_folds": self.folds});
        if self.validate == 1 {
            split["fold"] = 1.into();
        }
        if let Test::Share(share) = self.test {
            split["test"] = json!(share);
        }
        if let Some(group) = &self.group {
            split["group"] = json!(group);
        }
        let mut spec = self.job(recipe, split);
        if let Some(seconds) = seconds_left {
            spec["limits"] = json!({"max_seconds": seconds});
        }
        spec
    }

    /// The job that trains the model: all rows but those that test, for as many epochs as the recipe says.
    pub fn model(&self, recipe: &Recipe) -> Value {
        let split = match (&self.test, &self.group) {
            (Test::Share(share), _) if *share == 0.0 => Value::Bool(false),
            (Test::Dataset(dataset), _) => json!({"validation": 0.0, "test": {"dataset": dataset}}),
            (Test::Share(share), Some(group)) => json!({"group": group, "validation": 0.0, "test": share}),
            (Test::Share(share), None) => json!({"validation": 0.0, "test": share}),
        };
        let mut spec = self.job(recipe, split);
        spec["early_stopping"] = false.into();
        if let Some(name) = &self.name {
            spec["name"] = json!(name);
        }
        spec
    }

    fn job(&self, recipe: &Recipe, split: Value) -> Value {
        let mut spec = self.shared.clone();
        let optimizer = match recipe.weight_decay > 0.0 {
            true => json!({
                "type": "adamw", "learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay,
            }),
            false => json!({"type": "adam", "learning_rate": recipe.learning_rate}),
        };
        let fields = json!({
            "split": split, "hidden_layers": recipe.hidden, "activation": recipe.activation, "dropout": recipe.dropout,
            "optimizer": optimizer, "batch_size": recipe.batch_size, "epochs": recipe.epochs, "seed": self.seed,
            // They were run once, before the first trial.
            "checks": [],
        });
        if let Value::Object(fields) = fields {
            spec.extend(fields);
        }
        Value::Object(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(request: Value) -> Vec<(String, String)> {
        let faults = autotrain(&request, 150).unwrap_err();
        faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn the_least_request_has_every_default_and_reads_as_itself() {
        let spec = autotrain(&json!({"dataset": "iris", "target": "species"}), 150).unwrap();
        let told = spec.to_json();
        assert_eq!((&told["test"], &told["folds"], &told["budget"]["jobs"]), (&json!(0.2), &json!(5), &json!(24)));
        assert_eq!(autotrain(&told, 150).unwrap(), spec);
        let many = autotrain(&json!({"dataset": "big", "target": "y", "test": false}), 100_000).unwrap();
        assert_eq!((many.situation(false).folds, many.tests()), (1, false));
        assert_eq!(autotrain(&many.to_json(), 100_000).unwrap(), many);
    }

    #[test]
    fn every_fault_is_told_with_the_remedy() {
        let told = faults(json!({
            "target": "species", "budget": {"jobs": 1, "seconds": 3}, "test": 1.5, "epochs": 3, "learnig_rate": 1, "folds": 1
        }));
        let at = |pointer: &str| {
            told.iter().find(|(at, _)| at == pointer).unwrap_or_else(|| panic!("{pointer} in {told:?}")).1.clone()
        };
        assert!(at("").contains("dataset"));
        assert!(at("/budget").contains("either"));
        assert!(at("/budget/jobs").contains("from 2 to 1000"));
        assert!(at("/test").contains("< 1"));
        assert!(at("/folds").contains("from 2 to 20"));
        assert!(at("/epochs").contains("autotrain chooses it"));
        assert!(at("/learnig_rate").contains("learning_rate"));
        assert!(faults(json!({"dataset": "iris", "target": "species", "test": 0.9}))[0].1.contains("at least 20"));
    }
}
