//! Every measure agrees with scikit-learn's to 1e-9 (`tests/golden/scores.py`), on random and on nasty predictions.

use serde_json::Value;
use trainyard::score::{self, Measure};

const GOLDEN: &str = include_str!("../golden/scores.json");

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Notes what differs; `null` stands for undefined.
struct Comparison {
    case: String,
    faults: Vec<String>,
    compared: usize,
}

impl Comparison {
    fn one(&mut self, name: &str, found: Measure, wanted: &Value) {
        self.compared += 1;
        let same = match (found, wanted.as_f64()) {
            (Ok(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            (Err(_), None) => wanted.is_null(),
            _ => false,
        };
        if !same {
            self.faults.push(format!("{}: {name} is {found:?}, scikit-learn says {wanted}", self.case));
        }
    }

    fn each(&mut self, name: &str, found: impl Iterator<Item = Measure>, wanted: &Value) {
        let (found, wanted): (Vec<_>, _) = (found.collect(), wanted.as_array().unwrap());
        assert_eq!(found.len(), wanted.len(), "{}: {name}", self.case);
        found.into_iter().zip(wanted).enumerate().for_each(|(at, (f, w))| self.one(&format!("{name}[{at}]"), f, w));
    }
}

fn classification(case: &Value, to: &mut Comparison) {
    let truth: Vec<u32> = numbers(&case["truth"]).into_iter().map(|class| class as u32).collect();
    let p = numbers(&case["probabilities"]);
    let k = case["classes"].as_u64().unwrap() as usize;
    let predicted = score::most_probable(&p, k);
    let confusion = score::confusion(k, &truth, &predicted);
    assert_eq!(serde_json::json!(confusion.matrix), case["confusion"], "{}", to.case);
    to.one("log_loss", score::log_loss(&p, k, &truth), &case["log_loss"]);
    to.one("brier", score::brier_loss(&p, k, &truth), &case["brier"]);
    to.one("accuracy", confusion.accuracy(), &case["accuracy"]);
    to.one("balanced_accuracy", confusion.balanced_accuracy(), &case["balanced_accuracy"]);
    to.one("cohen_kappa", confusion.cohen_kappa(), &case["cohen_kappa"]);
    to.one("matthews", confusion.matthews(), &case["matthews"]);
    let classes = confusion.classes();
    to.each("precision", classes.iter().map(|class| class.precision), &case["precision"]);
    to.each("recall", classes.iter().map(|class| class.recall), &case["recall"]);
    to.each("f1", classes.iter().map(|class| class.f1), &case["f1"]);
    for (name, mean) in [("macro", confusion.macro_average()), ("weighted", confusion.weighted_average())] {
        to.each(name, [mean.precision, mean.recall, mean.f1].into_iter(), &case[name]);
    }
    to.each("top_k", (2..k).map(|j| score::top_k(&p, k, &truth, j)), &case["top_k"]);
    let of = |class: usize| -> (Vec<f64>, Vec<bool>) {
        (p.chunks(k).map(|row| row[class]).collect(), truth.iter().map(|t| *t as usize == class).collect())
    };
    let each = |measure: fn(&[f64], &[bool]) -> Measure| -> Vec<Measure> {
        let of_class = |class: usize| {
            let (scores, positive) = of(class);
            measure(&scores, &positive)
        };
        (0..k).map(of_class).collect()
    };
    to.each("roc_auc", each(score::roc_auc).into_iter(), &case["roc_auc"]);
    to.each("average_precision", each(score::average_precision).into_iter(), &case["average_precision"]);

    let right: Vec<bool> = truth.iter().zip(&predicted).map(|(t, p)| t == p).collect();
    let (confidence, right) = match k {
        2 => of(1),
        _ => (p.chunks(k).map(|row| row.iter().copied().fold(0.0, f64::max)).collect(), right),
    };
    let bins = score::calibration(&confidence, &right);
    to.one("ece", score::expected_calibration_error(&bins), &case["ece"]);
    let filled: Vec<_> = bins.iter().filter(|bin| bin.rows > 0).collect();
    to.each("calibration observed", filled.iter().map(|bin| bin.observed), &case["calibration"]["observed"]);
    to.each("calibration said", filled.iter().map(|bin| bin.confidence), &case["calibration"]["said"]);
    to.each("calibration rows", filled.iter().map(|bin| Ok(bin.rows as f64)), &case["calibration"]["rows"]);

    let (scores, positive) = of(1);
    for row in case["thresholds"].as_array().unwrap() {
        let found = &score::threshold_table(&scores, &positive, &[row[0].as_f64().unwrap()])[0];
        let counts = [found.true_negatives, found.false_positives, found.false_negatives, found.true_positives];
        to.each(
            "threshold",
            counts.into_iter().map(|count| Ok(count as f64)),
            &serde_json::json!(row.as_array().unwrap()[1..]),
        );
    }
    if let Some(wanted) = case["roc"].as_array() {
        let found = score::roc_curve(&scores, &positive);
        assert_eq!(found.len(), wanted.len(), "{}", to.case);
        for ((x, y), wanted) in found.into_iter().zip(wanted) {
            to.each("roc", [Ok(x), Ok(y)].into_iter(), wanted);
        }
    }
}

fn regression(case: &Value, to: &mut Comparison) {
    let (truth, predicted) = (numbers(&case["truth"]), numbers(&case["predicted"]));
    let found = score::score_numbers(&truth, &predicted);
    to.one("mae", found.mae, &case["mae"]);
    to.one("mse", found.mse, &case["mse"]);
    to.one("rmse", found.rmse, &case["rmse"]);
    to.one("median_absolute_error", found.median_absolute_error, &case["median_absolute_error"]);
    to.one("max_error", found.max_error, &case["max_error"]);
    to.one("mape", found.mape, &case["mape"]);
    to.one("r2", found.r2, &case["r2"]);
    let mut residuals: Vec<f64> = truth.iter().zip(&predicted).map(|(t, p)| t - p).collect();
    residuals.sort_by(f64::total_cmp);
    let quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| score::quantile(&residuals, q));
    to.each("residual_quantiles", quantiles.into_iter(), &case["residual_quantiles"]);
}

#[test]
fn measures_agree_with_scikit_learn_and_say_where_they_are_undefined() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let mut faults = Vec::new();
    let mut compared = 0;
    for (kind, compare) in
        [("classification", classification as fn(&Value, &mut Comparison)), ("regression", regression)]
    {
        for case in golden[kind].as_array().unwrap() {
            let case_name = case["name"].as_str().unwrap().to_owned();
            let mut to = Comparison { case: case_name, faults: Vec::new(), compared: 0 };
            compare(case, &mut to);
            faults.append(&mut to.faults);
            compared += to.compared;
        }
    }
    assert!(faults.is_empty(), "{} of {compared} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(compared > 500, "only {compared} values were compared");
}

#[test]
fn intervals_cover_what_theory_says_and_follow_their_seed() {
    // 300 rows, 80 % right: the normal interval of a share is 0.8 ± 1.96 · √(0.8 · 0.2 / 300).
    let right = |row: usize| f64::from(u8::from(!row.is_multiple_of(5)));
    let accuracy = |drawn: &[u32]| {
        let hits: f64 = drawn.iter().enumerate().map(|(row, count)| f64::from(*count) * right(row)).sum();
        vec![Ok(hits / drawn.len() as f64), Err(score::Undefined("never"))]
    };
    let with = |seed| score::intervals(300, score::Resampling { resamples: 2000, seed }, 2, accuracy);
    let found = with(1);
    let (interval, half) = (found[0].unwrap(), 1.96 * (0.8f64 * 0.2 / 300.0).sqrt());
    assert!((interval.low - (0.8 - half)).abs() < 0.01 && (interval.high - (0.8 + half)).abs() < 0.01, "{interval:?}");
    assert_eq!(interval.resamples, 2000);
    assert_eq!(found[1], None, "a measure that is never defined has no interval");
    assert_eq!(found, with(1));
    assert_ne!(found, with(2));
}
