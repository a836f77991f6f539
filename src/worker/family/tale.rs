//! What is told of a leader: the mean and standard deviation of its members' curves, how far they are, and what became of each.
//!
//! A point of the leader is written once every member has passed its epoch or ended, so that it never changes: cursors hold, and after a
//! death the rest is appended where the last record left off.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::store::{
    Axis, Best, Family, Job, Level, Member, MetricColumn, MetricQuery, Metrics, NewEvent, Points, Record, Status,
    Store, StoreError,
};

/// Points that are read at a time, of each member.
const PAGE: u64 = 4096;
/// Columns of each point, beside the metrics.
const INDEX: [&str; 4] = ["time", "step", "epoch", "train_seconds"];
/// What is told of layers stays with the members.
const LAYER: &str = "layer/";

/// Puts together what came to pass since the last record; says whether nothing is left for another.
pub(super) async fn record(store: &Store, family: &Family) -> Result<(Record, bool), StoreError> {
    let (points, whole) = curves(store, family).await?;
    let mut record = Record { points: points.into_iter().collect(), ..Record::default() };
    let mut folds = Vec::with_capacity(family.members.len());
    for (place, member) in family.members.iter().enumerate() {
        let before = told(family, place);
        let fold = match before {
            Some(fold) if fold["status"] == member.job.status.as_str() => fold.clone(),
            _ => {
                let fold = fold(store, place, member).await?;
                record.events.extend(event(family, place, &member.job, before, &fold));
                fold
            }
        };
        folds.push(fold);
    }
    let jobs: Vec<&Job> = family.members.iter().map(|member| &member.job).collect();
    record.progress = Some(progress(&jobs));
    record.train_seconds = Some(jobs.iter().map(|job| job.train_seconds).sum());
    record.parameters = jobs.first().and_then(|job| job.parameters);
    record.best = best(&jobs);
    record.last = last(&jobs);
    let done = jobs.iter().filter(|job| job.status == Status::Succeeded).count();
    record.folds = Some(json!({"count": folds.len(), "succeeded": done, "metrics": measures(&folds), "jobs": folds}));
    Ok((record, whole))
}

fn told(family: &Family, place: usize) -> Option<&Value> {
    family.told.as_ref()?.get("jobs")?.get(place)
}

/// One member: where it stands, and once it has succeeded the numbers of its best epoch, whose weights it keeps.
async fn fold(store: &Store, place: usize, member: &Member) -> Result<Value, StoreError> {
    let Member { job, points } = member;
    let mut fold = json!({"fold": place + 1, "job": job.id, "status": job.status, "epoch": null, "metrics": null});
    if job.status == Status::Succeeded && *points > 0 {
        let (epoch, numbers) = at_best(store, job).await?;
        fold["epoch"] = json!(epoch);
        fold["metrics"] = json!(numbers);
    }
    Ok(fold)
}

/// The numbers of a job at its best epoch, or at its last where none is best; and which epoch that is.
pub(in crate::worker) async fn at_best(
    store: &Store,
    job: &Job,
) -> Result<(Option<u64>, BTreeMap<String, f64>), StoreError> {
    let names = names(store, job).await?;
    let first = read(store, job, &["epoch".to_owned()], 0, 1).await?;
    let at = match (&job.best, value(&first, "epoch", 0)) {
        (Some(best), Some(first)) => best.epoch.saturating_sub(first as u64),
        // A read beyond the end gives no point: the last one is as far back as there are points.
        (None, _) => read(store, job, &[], u64::MAX, 0).await?.next.saturating_sub(1),
        (_, None) => return Ok((None, BTreeMap::new())),
    };
    let row = read(store, job, &names, at, 1).await?;
    let numbers = names
        .iter()
        .filter(|name| !INDEX.contains(&name.as_str()))
        .filter_map(|name| Some((name.clone(), value(&row, name, 0)?)))
        .collect();
    Ok((value(&row, "epoch", 0).map(|epoch| epoch as u64), numbers))
}

/// The event of a member that began or ended.
fn event(family: &Family, place: usize, job: &Job, before: Option<&Value>, fold: &Value) -> Option<NewEvent> {
    let began = before.is_none_or(|fold| fold["status"] == "queued");
    let count = family.members.len();
    let what = format!("fold {} of {count} ({})", place + 1, job.id);
    let (level, message) = match job.status {
        Status::Running if began => (Level::Info, format!("{what} began")),
        Status::Succeeded => {
            let best = job.best.as_ref();
            let best = best.map(|best| format!(": {} {:.4} at epoch {}", best.metric, best.value, best.epoch));
            (Level::Info, format!("{what} succeeded{}", best.unwrap_or_default()))
        }
        Status::Failed => {
            let detail = job.error.as_ref().and_then(|error| error["detail"].as_str()).unwrap_or("no reason given");
            (Level::Error, format!("{what} failed: {detail}"))
        }
        Status::Cancelled => (Level::Warn, format!("{what} was cancelled")),
        _ => return None,
    };
    let data =
        json!({"code": "fold", "fold": place + 1, "job": job.id, "status": job.status, "metrics": fold["metrics"]});
    Some(NewEvent { level, kind: "log", message, data, at: Utc::now() })
}

/// Mean and standard deviation of each number over the members that have it.
fn measures(folds: &[Value]) -> Value {
    let rows: Vec<&Map<String, Value>> = folds.iter().filter_map(|fold| fold["metrics"].as_object()).collect();
    let mut measures = Map::new();
    for name in rows.first().into_iter().flat_map(|row| row.keys()) {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.get(name)?.as_f64()).collect();
        let (mean, sd) = mean_and_sd(&values);
        measures.insert(name.clone(), json!({"mean": mean, "sd": sd, "values": values}));
    }
    Value::Object(measures)
}

/// The mean, and of two values or more the standard deviation with n − 1.
fn mean_and_sd(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (Some(mean), (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

fn progress(jobs: &[&Job]) -> Value {
    let number = |job: &Job, name: &str| job.progress.as_ref().and_then(|progress| progress[name].as_f64());
    let sum = |name: &str| jobs.iter().filter_map(|job| number(job, name)).sum::<f64>() as u64;
    let fraction = |job: &&Job| match job.status {
        Status::Succeeded => 1.0,
        _ => number(job, "fraction").unwrap_or(0.0),
    };
    // Members that have not begun will take as many epochs and steps as the others.
    let begun = jobs.iter().filter(|job| job.progress.is_some()).count().max(1) as f64;
    let of_all = |name: &str| (sum(name) as f64 / begun * jobs.len() as f64).round() as u64;
    json!({
        "epoch": sum("epoch"), "epochs": of_all("epochs"), "step": sum("step"), "steps": of_all("steps"),
        "fraction": jobs.iter().map(fraction).sum::<f64>() / jobs.len().max(1) as f64,
        "samples_per_second": null, "eta_seconds": null, "patience_left": null,
    })
}

/// Of the members' best epochs the middle one, with the mean of their values; once all have one.
fn best(jobs: &[&Job]) -> Option<Best> {
    let all: Vec<&Best> = jobs.iter().map(|job| job.best.as_ref()).collect::<Option<_>>()?;
    let mut epochs: Vec<u64> = all.iter().map(|best| best.epoch).collect();
    epochs.sort_unstable();
    let values: Vec<f64> = all.iter().map(|best| best.value).collect();
    Some(Best {
        epoch: *epochs.get((epochs.len().saturating_sub(1)) / 2)?,
        metric: all.first()?.metric.clone(),
        value: mean_and_sd(&values).0?,
    })
}

/// The means of the members' last numbers.
fn last(jobs: &[&Job]) -> Option<Value> {
    let rows: Vec<&Map<String, Value>> = jobs.iter().filter_map(|job| job.last.as_ref()?.as_object()).collect();
    let mut last = Map::new();
    for name in rows.first()?.keys() {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.get(name)?.as_f64()).collect();
        let told = match name.as_str() {
            "epoch" => json!(values.iter().fold(0.0_f64, |most, epoch| most.max(*epoch)) as u64),
            _ => json!(mean_and_sd(&values).0),
        };
        last.insert(name.clone(), told);
    }
    Some(Value::Object(last))
}

/// The points of the leader that will change no more and are not written yet; and whether these are all of them.
async fn curves(store: &Store, family: &Family) -> Result<(Option<Points>, bool), StoreError> {
    let longest = family.members.iter().map(|member| member.points).max().unwrap_or(0);
    let unfinished = family.members.iter().filter(|member| !member.job.status.is_finished());
    let sure = unfinished.map(|member| member.points).min().unwrap_or(longest);
    let start = family.points;
    let end = sure.min(start + PAGE);
    if end <= start {
        return Ok((None, true));
    }
    let mut read_of = Vec::with_capacity(family.members.len());
    let mut all: Vec<String> = Vec::new();
    for Member { job, points } in &family.members {
        let names = names(store, job).await?;
        let limit = end.min(*points).saturating_sub(start) as usize;
        read_of.push(read(store, job, &names, start, limit).await?);
        names.into_iter().filter(|name| !INDEX.contains(&name.as_str())).for_each(|name| {
            if !all.contains(&name) {
                all.push(name);
            }
        });
    }
    let points = (end - start) as usize;
    Ok((Some(together(&read_of, &all, points)), end == sure))
}

/// Puts the members' points side by side.
fn together(members: &[Metrics], names: &[String], points: usize) -> Points {
    let of = |name: &str, point: usize| -> Vec<f64> {
        members.iter().filter_map(|member| value(member, name, point)).collect()
    };
    let column = |value: &dyn Fn(usize) -> f64| (0..points).map(value).collect::<Vec<f64>>();
    let most = |name: &str, point: usize| of(name, point).into_iter().fold(f64::MIN, f64::max);
    let mut columns = vec![
        ("time".to_owned(), column(&|point| most("time", point))),
        ("step".to_owned(), column(&|point| of("step", point).iter().sum())),
        ("epoch".to_owned(), column(&|point| most("epoch", point))),
        ("train_seconds".to_owned(), column(&|point| of("train_seconds", point).iter().sum())),
        ("folds".to_owned(), column(&|point| of("epoch", point).len() as f64)),
    ];
    let or_absent = |value: Option<f64>| value.unwrap_or(MetricColumn::ABSENT);
    for name in names {
        columns.push((name.clone(), column(&|point| or_absent(mean_and_sd(&of(name, point)).0))));
        columns.push((format!("sd/{name}"), column(&|point| or_absent(mean_and_sd(&of(name, point)).1))));
    }
    for (place, member) in members.iter().enumerate() {
        for name in names {
            let own = column(&|point| or_absent(value(member, name, point)));
            columns.push((format!("fold/{}/{name}", place + 1), own));
        }
    }
    let keys = column(&|point| most("epoch", point)).into_iter().map(|epoch| epoch as u64).collect();
    Points { axis: Axis::Epoch, keys, columns }
}

/// The value of a column at a point, infinite where it is not finite; `None` where there is none.
fn value(metrics: &Metrics, name: &str, point: usize) -> Option<f64> {
    let column = metrics.columns.iter().find(|column| column.name == name)?;
    let spoilt = || column.nonfinite.iter().any(|(place, _)| *place == point).then_some(f64::INFINITY);
    column.values.get(point).copied().flatten().or_else(spoilt)
}

async fn names(store: &Store, job: &Job) -> Result<Vec<String>, StoreError> {
    let mut names = store.metric_names(job.id, Axis::Epoch).await?;
    names.retain(|name| !name.starts_with(LAYER));
    Ok(names)
}

async fn read(store: &Store, job: &Job, names: &[String], after: u64, limit: usize) -> Result<Metrics, StoreError> {
    let query = MetricQuery { axis: Axis::Epoch, names: names.to_vec(), after, limit, max_points: None };
    store.metric_read(job.id, &query).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviation_is_that_of_a_sample() {
        assert_eq!(mean_and_sd(&[]), (None, None));
        assert_eq!(mean_and_sd(&[3.0]), (Some(3.0), None));
        let (mean, sd) = mean_and_sd(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(mean, Some(5.0));
        assert!((sd.unwrap() - 2.138_089_935_299_395).abs() < 1e-15);
    }

    #[test]
    fn members_that_ended_early_leave_the_mean_to_the_others() {
        let member = |losses: &[f64]| Metrics {
            columns: [
                ("epoch", (0..losses.len()).map(|epoch| epoch as f64).collect::<Vec<_>>()),
                ("loss", losses.to_vec()),
            ]
            .map(|(name, values)| MetricColumn {
                name: name.to_owned(),
                values: values.into_iter().map(Some).collect(),
                nonfinite: Vec::new(),
            })
            .into(),
            points: losses.len(),
            next: losses.len() as u64,
            has_more: false,
            downsampled: false,
        };
        let points = together(&[member(&[3.0, 2.0]), member(&[5.0, 4.0, 1.0])], &["loss".to_owned()], 3);
        let column = |name: &str| points.columns.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(points.keys, [0, 1, 2]);
        assert_eq!(column("loss"), [4.0, 3.0, 1.0]);
        assert_eq!(column("folds"), [2.0, 2.0, 1.0]);
        assert_eq!(column("sd/loss")[..2], [2.0_f64.sqrt(); 2]);
        assert_eq!(column("sd/loss")[2].to_bits(), MetricColumn::ABSENT.to_bits());
        assert_eq!(column("fold/2/loss"), [5.0, 4.0, 1.0]);
    }
}
