//! Every optimizer and schedule follows PyTorch step by step (`golden/trajectories.py`), in f64 and in f32.

use serde_json::Value;
use trainyard::train::{
    CheckpointSet, Directive, EpochReport, Observer, ObserverError, Precision, Progress, Real, Start, StepReport,
    StopReason, checkpoint, fit,
};

use super::network::{dataset, golden, numbers, plan_of};

/// Largest relative L2 distance of the parameters, and largest distance of a loss, after 1, 10, 100 and 1000 steps.
type Gates = ([f64; 4], f64);
const F64: Gates = ([1e-14, 1e-14, 1e-13, 1e-12], 1e-12);
const F32: Gates = ([1e-6, 1e-6, 1e-5, 5e-5], 1e-5);

/// Takes the parameters after the golden steps and the losses of these steps.
struct Points {
    points: Vec<u64>,
    losses: Vec<f64>,
    parameters: Vec<Vec<f64>>,
}

impl Observer for Points {
    fn epoch(&mut self, _: &EpochReport<'_>) {}
    fn step(&mut self, report: &StepReport<'_>) {
        if self.points.contains(&report.at.step) {
            self.losses.push(report.metrics[0].1);
        }
    }
    fn checkpoint_due(&mut self, at: &Progress) -> bool {
        self.points.contains(&at.step)
    }
    fn checkpoint(&mut self, set: CheckpointSet) -> Result<(), ObserverError> {
        let last = checkpoint::decode(&set.last.unwrap().bytes).unwrap();
        self.parameters.push(last.parameters());
        Ok(())
    }
    fn directive(&mut self, at: &Progress) -> Directive {
        if at.step >= self.points[self.points.len() - 1] {
            return Directive::Stop(StopReason::MaxSeconds);
        }
        Directive::Continue
    }
}

fn norm(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Faults of one case, in words.
fn compare<T: Real>(golden: &Value, case: &Value, precision: Precision, gates: Gates) -> Vec<String> {
    let plan = plan_of(golden, case, precision);
    let points = golden["points"].as_array().unwrap().iter().map(|point| point.as_u64().unwrap()).collect();
    let mut found = Points { points, losses: Vec::new(), parameters: Vec::new() };
    let start = Start::Weights { parameters: numbers::<T>(&golden["start"]), buffers: None };
    fit(&plan, &dataset::<T>(golden), start, &mut found).unwrap();
    let mut faults = Vec::new();
    for (at, point) in found.points.iter().enumerate() {
        let wanted = &case[precision.name()][at];
        let sample: Vec<f64> = numbers(&wanted["sample"]);
        let seen: Vec<f64> = found.parameters[at].iter().copied().step_by(10).collect();
        let distance = norm(seen.iter().zip(&sample).map(|(a, b)| a - b)) / norm(sample.iter().copied());
        let wanted_norm = wanted["norm"].as_f64().unwrap();
        let of_norm = (norm(found.parameters[at].iter().copied()) - wanted_norm).abs() / wanted_norm;
        let of_loss = (found.losses[at] - wanted["loss"].as_f64().unwrap()).abs();
        if !(distance <= gates.0[at] && of_norm <= gates.0[at] && of_loss <= gates.1) {
            let name = case["name"].as_str().unwrap();
            faults.push(format!(
                "{name} in {}, step {point}: parameters {distance:.1e}, norm {of_norm:.1e}, loss {of_loss:.1e}",
                T::NAME
            ));
        }
    }
    faults
}

#[test]
fn every_optimizer_and_schedule_follows_pytorch() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 45);
    let mut faults = Vec::new();
    for case in cases {
        faults.extend(compare::<f64>(&golden, case, Precision::F64, F64));
        faults.extend(compare::<f32>(&golden, case, Precision::F32, F32));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
