//! The checks of a run, before its first trial.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::{Encoder, StoredTable, split};
use crate::practice::strategy::{self, Checked, Outcome, Plan};
use crate::practice::{self, CHECKS, HeldOut};
use crate::spec::ResolvedSpec;
use crate::store::{Dataset, Store};
use crate::worker::failure::Failure;

/// Rows of a warning that are told at most.
const MOST_WARNINGS: usize = 12;

/// Makes the checks that a step asks for, on a thread of their own.
pub(super) async fn run(store: &Store, plan: &Plan, spec: ResolvedSpec, dataset: &Dataset) -> Result<Outcome, Failure> {
    let names: &[&str] = match plan {
        Plan::Data { .. } => &["data"],
        Plan::Network { .. } => &["initial_loss", "gradient", "init", "input_independent"],
        Plan::Overfit { .. } => &["overfit"],
        Plan::Range { .. } => &["lr_range"],
        Plan::Train { .. } | Plan::Final { .. } => &[],
    };
    let mut reports = Vec::new();
    if matches!(plan, Plan::Data { .. }) {
        reports.push(profile(dataset));
    }
    let known: Vec<&'static str> = CHECKS.into_iter().filter(|check| names.contains(check)).collect();
    let path = store.dataset_table(dataset);
    let made = tokio::task::spawn_blocking(move || make(&path, &spec, &known)).await;
    reports.extend(made.map_err(|_| Failure::internal(0))??);
    Ok(Outcome::Checked { reports })
}

fn make(path: &std::path::Path, spec: &ResolvedSpec, names: &[&'static str]) -> Result<Vec<Checked>, Failure> {
    let table = StoredTable::open(path)?;
    let split::Split { train: train_rows, validation, test, .. } =
        split::split(&table, &spec.split_plan(), spec.seed())?;
    let held_out: Vec<u32> = validation.into_iter().chain(test).collect();
    let encoder = Encoder::fit(&table, &spec.encoder_plan(), &train_rows)?;
    let (plan, penalties) = (spec.plan(&encoder, train_rows.len()), spec.penalties());
    let subject = practice::Subject {
        plan: &plan,
        penalties: &penalties,
        table: &table,
        encoder: &encoder,
        train_rows: &train_rows,
        held_out: HeldOut { rows: &held_out, tables: &[] },
        weights: None,
        stopped: &|| false,
    };
    let mut reports = Vec::with_capacity(names.len());
    for name in names {
        if let Some(practice::Report { verdict, mut advice, mut document }) = practice::check(name, &subject)? {
            let verdict = verdict.name().to_owned();
            if let Some(said) = strategy::range(&document) {
                document["advice"] = json!(said);
                advice = said;
            }
            reports.push(Checked { check: (*name).to_owned(), verdict, advice, report: document });
        }
    }
    Ok(reports)
}

/// What the profile noticed when the data came in.
fn profile(dataset: &Dataset) -> Checked {
    #[derive(Default, Deserialize)]
    struct Noticed {
        warnings: Vec<Value>,
    }
    let Noticed { warnings } = dataset.profile.read().unwrap_or_default();
    let told: Vec<&str> = warnings.iter().filter_map(|one| one.get("detail")?.as_str()).take(MOST_WARNINGS).collect();
    let size = format!("{} rows, {} columns.", dataset.rows, dataset.columns);
    let advice = match told.is_empty() {
        true => format!("{size} The profile shows nothing odd."),
        false => format!("{size} The profile warns: {}.", told.join("; ")),
    };
    let verdict = if told.is_empty() { "passed" } else { "unchecked" }.to_owned();
    let report = json!({"rows": dataset.rows, "columns": dataset.columns, "warnings": warnings});
    Checked { check: "profile".to_owned(), verdict, advice, report }
}
