//! How good a cross-validation's models are: each row is predicted by the fold that did not learn from it, and all rows are judged
//! together; of another dataset each row is predicted by the mean of all folds. Beside that the mean and standard deviation of each measure
//! over the folds.

use serde_json::{Map, Value, json};

use super::{Known, MOST_PROBABILITIES, OnParams, Opened, Part, Question, finite, report};
use crate::api::App;
use crate::api::problem::{Fault, Kind, Problem};
use crate::predict::{Judged, JudgedLabel, JudgedValues};
use crate::score::Resampling;
use crate::store::{Job, Status};

/// What an evaluation of all folds is called where one part is named.
pub(super) const PART: &str = "out_of_fold";

/// The folds of a cross-validation, each with its model and its own rows.
pub(super) struct Folds {
    job: Job,
    questions: Vec<Question>,
    /// All of them are asked of the rows of another dataset.
    elsewhere: bool,
}

impl Folds {
    /// The folds of `job`, if it leads some.
    pub(super) async fn of(app: &App, job: &Job, on: &OnParams) -> Result<Option<Folds>, Problem> {
        if job.members == 0 {
            return Ok(None);
        }
        let fault = |parameter: &'static str, detail: &str| {
            Err(Problem::faults(Kind::InvalidBody, vec![Fault::parameter(parameter, detail)]))
        };
        if on.split.is_some_and(|part| part != Part::Validation) {
            return fault(
                "split",
                "of a cross-validation each row validates once: ask one of its folds for other parts",
            );
        }
        let members = app.store().family_members(job.id).await?;
        let done = members.iter().filter(|member| member.status == Status::Succeeded).count();
        if done < members.len() {
            let detail =
                format!("the cross-validation is {}: {done} of {} folds have succeeded", job.status, members.len());
            return Err(Problem::new(Kind::WrongState, detail));
        }
        let mut questions = Vec::with_capacity(members.len());
        for member in members {
            let split = on.dataset.is_none().then_some(Part::Validation);
            let on = OnParams { split, dataset: on.dataset.clone(), checkpoint: on.checkpoint.clone() };
            questions.push(Question::of(app, &member.id.to_string(), &on).await?);
        }
        Ok(Some(Folds { job: job.clone(), questions, elsewhere: on.dataset.is_some() }))
    }

    pub(super) fn tag(&self, detail: &str) -> String {
        let models: Vec<String> = self.questions.iter().map(|one| one.model.checkpoint.to_string()).collect();
        let label = self.questions.first().filter(|_| self.elsewhere).map(|one| one.subject.label());
        format!("W/\"{}.{}{detail}\"", models.join("."), label.map_or(String::new(), |label| label + "."))
    }

    /// Predicts each row by the fold that did not learn from it, of another dataset by all of them (blocking).
    pub(super) fn judged(self) -> Result<Vec<Judged>, Problem> {
        let elsewhere = self.elsewhere;
        let open = self.open()?;
        let judged = open.iter().map(|(opened, rows)| judge(opened, rows)).collect::<Result<Vec<_>, _>>()?;
        Ok(if elsewhere { averaged(judged) } else { pooled(judged) })
    }

    /// The folds with their rows, fewer where all would not fit into memory.
    fn open(self) -> Result<Vec<(Opened, Vec<u32>)>, Problem> {
        let folds = self.questions.len().max(1);
        let open = |question: Question| {
            let opened = question.open()?;
            let outputs = opened.question.model.predictor.encoder().targets().iter().map(|target| target.outputs());
            let rows = opened.some_rows(MOST_PROBABILITIES / outputs.sum::<usize>().max(1) / folds);
            Ok((opened, rows))
        };
        self.questions.into_iter().map(open).collect()
    }

    /// Says how good all of them are together (blocking).
    pub(super) fn evaluate(self, wanted: report::Wanted) -> Result<Value, Problem> {
        let (job, elsewhere) = (self.job.clone(), self.elsewhere);
        let open = self.open()?;
        let (mut all, mut losses, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
        let mut linear = (!elsewhere).then(Vec::new);
        let mut rows_in_all = 0;
        for (opened, rows) in &open {
            let predictor = &opened.question.model.predictor;
            losses.push(predictor.evaluate(&opened.table, &opened.rows, 1)?);
            all.push(judge(opened, rows)?);
            let train = opened.train.as_deref().unwrap_or(&[]);
            if let Some(known) = &mut linear {
                match predictor.linear(&opened.table, train, opened.question.seed)? {
                    Some(one) => known.push(one.judge(&opened.table, rows)?),
                    None => linear = None,
                }
            }
            checkpoints.push(json!(opened.question.model.checkpoint));
            rows_in_all = opened.rows.len() + if elsewhere { 0 } else { rows_in_all };
        }
        let Some((first, _)) = open.first() else { return Err(Problem::internal("a cross-validation without folds")) };
        let mut rows: Vec<u32> = open.iter().flat_map(|(_, rows)| rows).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let known = &Known::of_rows(&first.table, rows)?;
        let weighted = |of: &dyn Fn(usize) -> f64| {
            let sum: f64 = losses.iter().enumerate().map(|(fold, found)| of(fold) * found.rows as f64).sum();
            sum / losses.iter().map(|found| found.rows as f64).sum::<f64>().max(1.0)
        };
        let alone = report::Wanted { worst: 0, resampling: Resampling { resamples: 0, seed: 0 } };
        let none = Err("it is told of all folds together");
        let linear = linear.map(pooled);
        let mut targets = Map::new();
        let together = if elsewhere { averaged(all.clone()) } else { pooled(all.clone()) };
        for (place, judged) in together.iter().enumerate() {
            let beside = match &linear {
                Some(linear) => linear.get(place).ok_or("the linear model has other outputs"),
                None if elsewhere => Err("it is only made beside parts of the dataset that the job was trained on"),
                None => Err("it is too much work beside an evaluation; fork the job with `hidden_layers` []"),
            };
            let mut told = report::target(judged, &beside, wanted, known);
            let task = |fold: usize| {
                losses.get(fold).and_then(|found| found.tasks.get(place)).map_or(f64::NAN, |task| task.loss)
            };
            let each = all.iter().filter_map(|fold| fold.get(place));
            let each: Vec<Value> = each.map(|judged| report::target(judged, &none, alone, known)).collect();
            if let Some(fields) = told.as_object_mut() {
                fields.shift_insert(1, "loss".to_owned(), finite(weighted(&task)));
                let mut folds = measures(&each);
                folds.insert("loss".to_owned(), spread((0..losses.len()).map(task)));
                fields.insert("folds".to_owned(), Value::Object(folds));
            }
            targets.insert(judged.name.clone(), told);
        }
        let dataset = first.question.subject.dataset();
        Ok(json!({
            "job": job.id,
            "checkpoint": null,
            "checkpoints": checkpoints,
            "split": if elsewhere { "dataset" } else { PART },
            "dataset": {"id": dataset.id, "name": dataset.name},
            "rows": rows_in_all,
            "loss": finite(weighted(&|fold| losses.get(fold).map_or(f64::NAN, |found| found.loss))),
            "folds": {"count": losses.len(), "loss": spread(losses.iter().map(|found| found.loss))},
            "targets": targets,
        }))
    }
}

fn judge(opened: &Opened, rows: &[u32]) -> Result<Vec<Judged>, Problem> {
    Ok(opened.question.model.predictor.judge(&opened.table, rows)?)
}

/// Mean and standard deviation over the folds of every measure that is a number in each.
fn measures(folds: &[Value]) -> Map<String, Value> {
    let Some(fields) = folds.first().and_then(Value::as_object) else { return Map::new() };
    let of = |name: &String| folds.iter().map(|fold| fold.get(name)?.as_f64()).collect::<Option<Vec<f64>>>();
    fields.keys().filter_map(|name| Some((name.clone(), spread(of(name)?.into_iter())))).collect()
}

fn spread(values: impl Iterator<Item = f64>) -> Value {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let sd = if values.len() > 1 { finite((squares / (n - 1.0)).sqrt()) } else { Value::Null };
    json!({"mean": finite(mean), "sd": sd, "values": values.into_iter().map(finite).collect::<Vec<_>>()})
}

/// Puts what was judged of each fold together, target by target.
fn pooled(folds: Vec<Vec<Judged>>) -> Vec<Judged> {
    let mut folds = folds.into_iter();
    let mut all = folds.next().unwrap_or_default();
    let mut count = 1.0;
    for fold in folds {
        count += 1.0;
        for (whole, part) in all.iter_mut().zip(fold) {
            whole.rows.extend(part.rows);
            add(&mut whole.values, part.values, count);
        }
    }
    all
}

/// The mean of what all folds predict of the same rows, target by target.
fn averaged(folds: Vec<Vec<Judged>>) -> Vec<Judged> {
    let mut folds = folds.into_iter();
    let mut all = folds.next().unwrap_or_default();
    for (fold, count) in folds.zip(2u32..) {
        for (whole, part) in all.iter_mut().zip(fold) {
            approach(&mut whole.values, part.values, f64::from(count));
        }
    }
    for judged in &mut all {
        if let JudgedValues::Classes { labels, best, probabilities, .. } = &mut judged.values {
            let largest = |row: &[f64]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
            *best = probabilities.chunks_exact(labels.len().max(1)).map(|row| largest(row) as u32).collect();
        }
    }
    all
}

/// Moves the means of the folds before to those with the fold of this number.
fn approach(whole: &mut JudgedValues, part: JudgedValues, number: f64) {
    let toward = |means: &mut [f64], others: &[f64]| {
        means.iter_mut().zip(others).for_each(|(mean, other)| *mean += (other - *mean) / number);
    };
    match (whole, part) {
        (
            JudgedValues::Classes { training_counts, probabilities, .. },
            JudgedValues::Classes { training_counts: counts, probabilities: p, .. },
        ) => {
            training_counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            toward(probabilities, &p);
        }
        (JudgedValues::Labels(labels), JudgedValues::Labels(others)) => {
            for (label, other) in labels.iter_mut().zip(others) {
                toward(&mut label.probabilities, &other.probabilities);
                label.training_counts.iter_mut().zip(other.training_counts).for_each(|(sum, count)| *sum += count);
            }
        }
        (
            JudgedValues::Numbers { predicted, training_mean, .. },
            JudgedValues::Numbers { predicted: p, training_mean: mean, .. },
        ) => {
            toward(predicted, &p);
            *training_mean += (mean - *training_mean) / number;
        }
        // The folds of one job predict the same target.
        _ => {}
    }
}

/// Adds the fold of this number, counted from 1.
fn add(whole: &mut JudgedValues, part: JudgedValues, number: f64) {
    match (whole, part) {
        (
            JudgedValues::Classes { training_counts, truth, best, probabilities, .. },
            JudgedValues::Classes { training_counts: counts, truth: t, best: b, probabilities: p, .. },
        ) => {
            training_counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            truth.extend(t);
            best.extend(b);
            probabilities.extend(p);
        }
        (JudgedValues::Labels(labels), JudgedValues::Labels(others)) => {
            for (label, other) in labels.iter_mut().zip(others) {
                let JudgedLabel { rows, truth, probabilities, training_counts, .. } = other;
                label.rows.extend(rows);
                label.truth.extend(truth);
                label.probabilities.extend(probabilities);
                label.training_counts.iter_mut().zip(training_counts).for_each(|(sum, count)| *sum += count);
            }
        }
        (
            JudgedValues::Numbers { truth, predicted, training_mean },
            JudgedValues::Numbers { truth: t, predicted: p, training_mean: mean },
        ) => {
            truth.extend(t);
            predicted.extend(p);
            *training_mean += (mean - *training_mean) / number;
        }
        // The folds of one job predict the same target.
        _ => {}
    }
}
