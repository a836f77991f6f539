//! What is said of one target: measures, intervals, baselines and the worst rows, as JSON. The measures themselves are `score`'s.

use serde_json::{Map, Value, json};

use super::Known;
use crate::predict::{Judged, JudgedLabel, JudgedValues};
use crate::score::{self, Confusion, Interval, Measure, Ranking, Resampling, Undefined};

/// Classes beyond which the confusion matrix and the measures of single classes are not told.
const MOST_CLASSES: usize = 200;
/// Thresholds of a binary decision: 0.05, 0.10, … 0.95.
const THRESHOLDS: usize = 19;

/// What to tell beside the measures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Rows with the largest losses to name.
    pub worst: usize,
    /// How intervals are made.
    pub resampling: Resampling,
}

/// Fields of an object; a measure without a value is `null`, and its reason stands in `undefined`.
#[derive(Default)]
struct Fields {
    known: Map<String, Value>,
    undefined: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.known.insert(name.to_owned(), value.into());
    }

    fn measure(&mut self, name: &str, found: Measure) {
        match found {
            Ok(value) if value.is_finite() => self.put(name, value),
            Ok(_) => self.lack(name, "it is too large for a number"),
            Err(Undefined(reason)) => self.lack(name, reason),
        }
    }

    fn lack(&mut self, name: &str, reason: &str) {
        self.known.insert(name.to_owned(), Value::Null);
        self.undefined.insert(name.to_owned(), reason.into());
    }

    fn into_value(mut self) -> Value {
        if !self.undefined.is_empty() {
            self.known.insert("undefined".to_owned(), Value::Object(self.undefined));
        }
        Value::Object(self.known)
    }
}

/// The report of a target. `linear` is the linear model's judgement of the same rows, or why there is none.
pub(super) fn target(judged: &Judged, linear: &Result<&Judged, &'static str>, wanted: Wanted, known: &Known) -> Value {
    match &judged.values {
        JudgedValues::Classes { labels, training_counts, truth, best, probabilities } => {
            let subject = Classes { labels, counts: training_counts, rows: &judged.rows, truth, best, probabilities };
            let other = match linear {
                Ok(Judged { values: JudgedValues::Classes { best, probabilities, .. }, .. }) => {
                    Ok(Classes { best, probabilities, ..subject })
                }
                Ok(_) => Err("the linear model has other outputs"),
                Err(reason) => Err(*reason),
            };
            subject.report(&other, wanted, known)
        }
        JudgedValues::Numbers { truth, predicted, training_mean } => {
            let subject = Numbers { rows: &judged.rows, truth, predicted, training_mean: *training_mean };
            let other = match linear {
                Ok(Judged { values: JudgedValues::Numbers { predicted, .. }, .. }) => {
                    Ok(Numbers { predicted, ..subject })
                }
                Ok(_) => Err("the linear model has other outputs"),
                Err(reason) => Err(*reason),
            };
            subject.report(&other, wanted, known)
        }
        JudgedValues::Labels(labels) => {
            let linear_of = |name: &str| match linear {
                Ok(Judged { values: JudgedValues::Labels(all), .. }) => {
                    all.iter().find(|one| one.label == name).ok_or("the linear model has other outputs")
                }
                Ok(_) => Err("the linear model has other outputs"),
                Err(reason) => Err(*reason),
            };
            let each = labels.iter().map(|one| (one.label.clone(), label(one, &linear_of(&one.label), wanted, known)));
            json!({"rows": judged.rows.len(), "labels": each.collect::<Map<String, Value>>()})
        }
    }
}

/// A yes-or-no label is a target of two classes.
fn label(label: &JudgedLabel, linear: &Result<&JudgedLabel, &'static str>, wanted: Wanted, known: &Known) -> Value {
    let both = |label: &JudgedLabel| -> Vec<f64> { label.probabilities.iter().flat_map(|p| [1.0 - p, *p]).collect() };
    let decide =
        |label: &JudgedLabel| -> Vec<u32> { label.probabilities.iter().map(|p| u32::from(*p > 0.5)).collect() };
    let labels = ["no".to_owned(), "yes".to_owned()];
    let (own, best) = (both(label), decide(label));
    let subject = Classes {
        labels: &labels,
        counts: &label.training_counts,
        rows: &label.rows,
        truth: &label.truth,
        best: &best,
        probabilities: &own,
    };
    let other = linear.map(|linear| (both(linear), decide(linear)));
    let other = match &other {
        Ok((probabilities, best)) => Ok(Classes { probabilities, best, ..subject }),
        Err(reason) => Err(*reason),
    };
    subject.report(&other, wanted, known)
}

/// A target of classes with what was predicted of it.
#[derive(Clone, Copy)]
struct Classes<'a> {
    labels: &'a [String],
    counts: &'a [u64],
    rows: &'a [u32],
    truth: &'a [u32],
    best: &'a [u32],
    probabilities: &'a [f64],
}

impl Classes<'_> {
    fn k(&self) -> usize {
        self.labels.len()
    }

    fn of_class(&self, class: usize) -> (Vec<f64>, Vec<bool>) {
        let scores = self.probabilities.chunks_exact(self.k().max(1)).map(|row| row[class]).collect();
        (scores, self.truth.iter().map(|truth| *truth as usize == class).collect())
    }

    fn report(&self, linear: &Result<Classes<'_>, &'static str>, wanted: Wanted, known: &Known) -> Value {
        let (k, mut fields) = (self.k(), Fields::default());
        fields.put("rows", self.rows.len());
        let losses = score::log_losses(self.probabilities, k, self.truth);
        fields.measure("log_loss", score::mean(losses.iter().copied()));
        fields.measure("brier", score::brier_loss(self.probabilities, k, self.truth));
        if k <= MOST_CLASSES {
            self.by_class(&mut fields);
        } else {
            let hits = self.truth.iter().zip(self.best).map(|(truth, best)| f64::from(u8::from(truth == best)));
            fields.measure("accuracy", score::mean(hits));
            fields.lack("confusion_matrix", "there are too many classes");
        }
        let mut top = Map::new();
        for among in [2, 3, 5, 10].into_iter().filter(|among| *among < k) {
            let share = score::top_k(self.probabilities, k, self.truth, among);
            top.insert(among.to_string(), share.ok().into());
        }
        fields.put("top_k", top);
        self.calibration(&mut fields);
        if k == 2 {
            fields.put("thresholds", self.thresholds());
        }
        fields.put("intervals", self.intervals(&losses, wanted.resampling));
        fields.put("baseline", self.baseline(linear));
        let worst = worst(&losses, wanted.worst);
        let named = worst.into_iter().map(|at| {
            let own = self.probabilities.get(at * k + self.truth[at] as usize).copied();
            let class = |class: u32| self.labels.get(class as usize).cloned();
            let told = json!({"loss": losses[at], "truth": class(self.truth[at]), "predicted": class(self.best[at]),
                "probability_of_truth": own});
            row(known, self.rows[at], told)
        });
        fields.put("worst", named.collect::<Vec<_>>());
        fields.into_value()
    }

    fn by_class(&self, fields: &mut Fields) {
        let confusion = score::confusion(self.k(), self.truth, self.best);
        fields.measure("accuracy", confusion.accuracy());
        fields.measure("balanced_accuracy", confusion.balanced_accuracy());
        for (name, mean) in [("macro", confusion.macro_average()), ("weighted", confusion.weighted_average())] {
            fields.measure(&format!("precision_{name}"), mean.precision);
            fields.measure(&format!("recall_{name}"), mean.recall);
            fields.measure(&format!("f1_{name}"), mean.f1);
        }
        fields.measure("cohen_kappa", confusion.cohen_kappa());
        fields.measure("matthews", confusion.matthews());
        let mut classes = Vec::new();
        let (mut areas, mut precisions) = (Vec::new(), Vec::new());
        for (class, found) in confusion.classes().into_iter().enumerate() {
            let (scores, positive) = self.of_class(class);
            let (area, precision) = (score::roc_auc(&scores, &positive), score::average_precision(&scores, &positive));
            areas.push(area);
            precisions.push(precision);
            let mut one = Fields::default();
            one.put("class", self.labels[class].clone());
            one.put("rows", found.rows);
            one.put("predicted", found.predicted);
            one.measure("precision", found.precision);
            one.measure("recall", found.recall);
            one.measure("f1", found.f1);
            one.measure("roc_auc", area);
            one.measure("average_precision", precision);
            classes.push(one.into_value());
        }
        fields.measure("roc_auc", together(&areas, self.k(), "a class has no rows here, or all of them"));
        fields.measure("average_precision", together(&precisions, self.k(), "a class has no rows here"));
        fields.put("classes", classes);
        let Confusion { matrix } = confusion;
        fields.put("confusion_matrix", json!({"classes": self.labels, "matrix": matrix}));
    }

    fn calibration(&self, fields: &mut Fields) {
        let (said, came_true) = self.confidence();
        let bins = score::calibration(&said, &came_true);
        fields.measure("expected_calibration_error", score::expected_calibration_error(&bins));
        let bin = |bin: &score::CalibrationBin| {
            json!({"low": bin.low, "high": bin.high, "rows": bin.rows, "confidence": bin.confidence.ok(),
                   "observed": bin.observed.ok()})
        };
        fields.put("calibration", bins.iter().map(bin).collect::<Vec<_>>());
    }

    /// For two classes the probability of the second, and whether it came true; for more that of the predicted class, and whether it is right.
    fn confidence(&self) -> (Vec<f64>, Vec<bool>) {
        if self.k() == 2 {
            return self.of_class(1);
        }
        let said =
            self.probabilities.chunks_exact(self.k().max(1)).zip(self.best).map(|(row, best)| row[*best as usize]);
        (said.collect(), self.truth.iter().zip(self.best).map(|(truth, best)| truth == best).collect())
    }

    fn thresholds(&self) -> Vec<Value> {
        let (scores, positive) = self.of_class(1);
        let at: Vec<f64> = (1..=THRESHOLDS).map(|i| i as f64 / (THRESHOLDS + 1) as f64).collect();
        let told = score::threshold_table(&scores, &positive, &at).into_iter().map(|row| {
            let (hits, alarms) = (row.true_positives, row.true_positives + row.false_positives);
            let (positives, negatives) = (hits + row.false_negatives, row.true_negatives + row.false_positives);
            let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
            json!({"threshold": row.threshold, "true_positives": hits, "false_positives": row.false_positives,
                "true_negatives": row.true_negatives, "false_negatives": row.false_negatives,
                "precision": share(hits, alarms), "recall": share(hits, positives),
                "specificity": share(row.true_negatives, negatives), "f1": share(2 * hits, positives + alarms)})
        });
        told.collect()
    }

    fn intervals(&self, losses: &[f64], resampling: Resampling) -> Value {
        let (k, n) = (self.k(), self.rows.len());
        let ranked = (k == 2).then(|| {
            let (scores, positive) = self.of_class(1);
            (Ranking::new(&scores), positive)
        });
        let counted = k <= MOST_CLASSES;
        let names: &[&str] = match (&ranked, counted) {
            (Some(_), _) => &["log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc"],
            (None, true) => &["log_loss", "accuracy", "balanced_accuracy", "f1_macro"],
            (None, false) => &["log_loss", "accuracy"],
        };
        let found = score::intervals(n, resampling, names.len(), |drawn| {
            let weighted = |of: &dyn Fn(usize) -> f64| -> Measure {
                Ok(drawn.iter().enumerate().map(|(row, count)| f64::from(*count) * of(row)).sum::<f64>() / n as f64)
            };
            let mut values = vec![weighted(&|row| losses[row])];
            if !counted {
                values.push(weighted(&|row| f64::from(u8::from(self.truth[row] == self.best[row]))));
                return values;
            }
            let mut confusion = Confusion { matrix: vec![vec![0; k]; k] };
            for ((truth, best), count) in self.truth.iter().zip(self.best).zip(drawn) {
                confusion.matrix[*truth as usize][*best as usize] += u64::from(*count);
            }
            values.extend([confusion.accuracy(), confusion.balanced_accuracy(), confusion.macro_average().f1]);
            if let Some((ranking, positive)) = &ranked {
                values.push(ranking.roc_auc(positive, |row| f64::from(drawn[row])));
            }
            values
        });
        told(names, found, n, resampling)
    }

    /// What the shares of the training part alone would give, and the linear model.
    fn baseline(&self, linear: &Result<Classes<'_>, &'static str>) -> Value {
        let k = self.k();
        let total: u64 = self.counts.iter().sum();
        let shares: Vec<f64> = self.counts.iter().map(|count| *count as f64 / total.max(1) as f64).collect();
        let majority = (1..k).fold(0, |best, class| if shares[class] > shares[best] { class } else { best });
        let constant = vec![majority as u32; self.rows.len()];
        let repeated: Vec<f64> = self.truth.iter().flat_map(|_| &shares).copied().collect();
        let mut simple = Classes { best: &constant, probabilities: &repeated, ..*self }.summary();
        simple.put("predicts", self.labels.get(majority).cloned());
        let linear = match linear {
            Ok(linear) => linear.summary().into_value(),
            Err(reason) => json!({"undefined": reason}),
        };
        json!({"majority": simple.into_value(), "linear": linear})
    }

    fn summary(&self) -> Fields {
        let mut fields = Fields::default();
        let hits = self.truth.iter().zip(self.best).map(|(truth, best)| f64::from(u8::from(truth == best)));
        fields.measure("accuracy", score::mean(hits));
        if self.k() <= MOST_CLASSES {
            fields.measure("balanced_accuracy", score::confusion(self.k(), self.truth, self.best).balanced_accuracy());
        }
        fields.measure("log_loss", score::log_loss(self.probabilities, self.k(), self.truth));
        fields
    }
}

/// The measure of the second of two classes, or the mean over all where each has one.
fn together(each: &[Measure], k: usize, reason: &'static str) -> Measure {
    if k == 2 {
        return each[1];
    }
    if each.iter().any(Result::is_err) {
        return Err(Undefined(reason));
    }
    score::mean(each.iter().filter_map(|one| one.ok()))
}

/// A target of numbers with what was predicted of it.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    rows: &'a [u32],
    truth: &'a [f64],
    predicted: &'a [f64],
    training_mean: f64,
}

impl Numbers<'_> {
    fn report(&self, linear: &Result<Numbers<'_>, &'static str>, wanted: Wanted, known: &Known) -> Value {
        let mut fields = Fields::default();
        let found = score::score_numbers(self.truth, self.predicted);
        fields.put("rows", found.rows);
        let told = [
            ("mae", found.mae),
            ("mse", found.mse),
            ("rmse", found.rmse),
            ("median_absolute_error", found.median_absolute_error),
            ("max_error", found.max_error),
            ("mape", found.mape),
            ("r2", found.r2),
            ("bias", found.bias),
        ];
        told.into_iter().for_each(|(name, measure)| fields.measure(name, measure));
        let residual = |at: usize| self.truth[at] - self.predicted[at];
        let mut sorted: Vec<f64> = (0..self.rows.len()).map(residual).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let quantile = |q: &f64| (q.to_string(), Value::from(score::quantile(&sorted, *q).ok()));
        fields.put("residual_quantiles", [0.05, 0.25, 0.5, 0.75, 0.95].iter().map(quantile).collect::<Map<_, _>>());
        fields.put("intervals", self.intervals(wanted.resampling));
        let constant = vec![self.training_mean; self.rows.len()];
        let mut simple = Numbers { predicted: &constant, ..*self }.summary();
        simple.measure("predicts", Ok(self.training_mean));
        let linear = match linear {
            Ok(linear) => linear.summary().into_value(),
            Err(reason) => json!({"undefined": reason}),
        };
        fields.put("baseline", json!({"mean": simple.into_value(), "linear": linear}));
        let sizes: Vec<f64> = (0..self.rows.len()).map(|at| residual(at).abs()).collect();
        let named = worst(&sizes, wanted.worst).into_iter().map(|at| {
            let told = json!({"error": sizes[at], "truth": self.truth[at], "predicted": self.predicted[at]});
            row(known, self.rows[at], told)
        });
        fields.put("worst", named.collect::<Vec<_>>());
        fields.into_value()
    }

    fn intervals(&self, resampling: Resampling) -> Value {
        let n = self.rows.len();
        let names = ["mae", "rmse", "r2"];
        let found = score::intervals(n, resampling, names.len(), |drawn| {
            let sum = |of: &dyn Fn(usize) -> f64| -> f64 {
                drawn.iter().enumerate().map(|(row, count)| f64::from(*count) * of(row)).sum()
            };
            let residual = |row: usize| self.truth[row] - self.predicted[row];
            let squares = sum(&|row| residual(row).powi(2));
            let mean = sum(&|row| self.truth[row]) / n as f64;
            let around = sum(&|row| (self.truth[row] - mean).powi(2));
            let r2 =
                if around > 0.0 { Ok(1.0 - squares / around) } else { Err(Undefined("all true values are equal")) };
            vec![Ok(sum(&|row| residual(row).abs()) / n as f64), Ok((squares / n as f64).sqrt()), r2]
        });
        told(&names, found, n, resampling)
    }

    fn summary(&self) -> Fields {
        let found = score::score_numbers(self.truth, self.predicted);
        let mut fields = Fields::default();
        [("mae", found.mae), ("rmse", found.rmse), ("r2", found.r2)]
            .into_iter()
            .for_each(|(name, measure)| fields.measure(name, measure));
        fields
    }
}

fn told(names: &[&str], found: Vec<Option<Interval>>, rows: usize, resampling: Resampling) -> Value {
    let mut fields = Map::new();
    fields.insert("level".to_owned(), 0.95.into());
    fields.insert("method".to_owned(), "percentile bootstrap over rows".into());
    fields.insert("resamples".to_owned(), resampling.count(rows).into());
    fields.insert("seed".to_owned(), resampling.seed.into());
    for (name, interval) in names.iter().zip(found) {
        fields.insert((*name).to_owned(), interval.map_or(Value::Null, |one| json!([one.low, one.high])));
    }
    Value::Object(fields)
}

/// Places of the largest values, the largest first, equal ones in the order of the rows.
fn worst(losses: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..losses.len()).collect();
    places.sort_by(|a, b| losses[*b].total_cmp(&losses[*a]).then(a.cmp(b)));
    places.truncate(count);
    places
}

/// A row by its number in the file (from 0, the line of names not counted), with its identifiers.
fn row(known: &Known, row: u32, told: Value) -> Value {
    let mut fields = Map::from_iter([("row".to_owned(), Value::from(row))]);
    let ids = known.of(row);
    if !ids.is_empty() {
        fields.insert("id".to_owned(), Value::Object(ids));
    }
    if let Value::Object(told) = told {
        fields.extend(told);
    }
    Value::Object(fields)
}
