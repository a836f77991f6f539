//! Which epoch is the best, and whether it is time to stop: what Keras' `EarlyStopping` does.

use serde::{Deserialize, Serialize};

use super::plan::{Monitor, Plan};

/// Watches one metric.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    pub monitor: Monitor,
    min_delta: f64,
    patience: Option<u64>,
    start_epoch: u64,
    pub state: TrackerState,
}

/// Where a tracker stands; saved in checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrackerState {
    /// The best value so far; always finite.
    best: Option<f64>,
    /// Epochs since then.
    wait: u64,
}

impl Tracker {
    /// The tracker of a plan; `None` where the last epoch is the best.
    pub fn new(plan: &Plan) -> Option<Tracker> {
        let state = TrackerState::default();
        if let Some(stopping) = &plan.early_stopping {
            return Some(Tracker {
                monitor: stopping.monitor.clone(),
                min_delta: stopping.min_delta,
                patience: Some(stopping.patience),
                start_epoch: stopping.start_epoch,
                state,
            });
        }
        let monitor = plan.best.clone()?;
        Some(Tracker { monitor, min_delta: 0.0, patience: None, start_epoch: 0, state })
    }

    /// Looks at the metric of a completed epoch (from 1); says whether it is the best so far. What is not finite is bad.
    pub fn observe(&mut self, epoch: u64, value: f64) -> bool {
        if epoch <= self.start_epoch {
            return false;
        }
        let state = &mut self.state;
        state.wait += 1;
        let improved = value.is_finite()
            && match state.best {
                None => true,
                Some(best) if self.monitor.maximise => value - self.min_delta > best,
                Some(best) => value + self.min_delta < best,
            };
        if improved {
            *state = TrackerState { best: Some(value), wait: 0 };
        }
        improved
    }

    /// Bad epochs that are still forgiven.
    pub fn patience_left(&self) -> Option<u64> {
        self.patience.map(|patience| patience.saturating_sub(self.state.wait))
    }

    /// Whether patience is at its end: `wait >= patience` after a bad epoch.
    pub fn is_exhausted(&self) -> bool {
        self.state.wait > 0 && self.patience.is_some_and(|patience| self.state.wait >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(patience: u64, min_delta: f64, start_epoch: u64) -> Tracker {
        Tracker {
            monitor: Monitor { metric: "val_loss".into(), maximise: false },
            min_delta,
            patience: Some(patience),
            start_epoch,
            state: TrackerState::default(),
        }
    }

    /// The epoch (from 1) after which it stops, and the best epoch.
    fn stops(tracker: &mut Tracker, values: &[f64]) -> (Option<u64>, u64) {
        let mut best = 0;
        for (epoch, value) in (1..).zip(values) {
            if tracker.observe(epoch, *value) {
                best = epoch;
            }
            if tracker.is_exhausted() {
                return (Some(epoch), best);
            }
        }
        (None, best)
    }

    #[test]
    fn it_stops_after_exactly_patience_bad_epochs() {
        let values = [1.0, 0.9, 0.95, 0.91, 0.9, 0.8];
        assert_eq!(stops(&mut tracker(3, 0.0, 0), &values), (Some(5), 2));
        assert_eq!(stops(&mut tracker(4, 0.0, 0), &values), (None, 6));
        assert_eq!(stops(&mut tracker(1, 0.0, 0), &values), (Some(3), 2));
        assert_eq!(stops(&mut tracker(0, 0.0, 0), &values), (Some(3), 2));
    }

    #[test]
    fn a_gain_below_min_delta_is_none_and_nan_is_bad() {
        assert_eq!(stops(&mut tracker(2, 0.15, 0), &[1.0, 0.9, 0.86]), (Some(3), 1));
        assert_eq!(stops(&mut tracker(2, 0.0, 0), &[1.0, f64::NAN, f64::NAN]), (Some(3), 1));
        assert_eq!(stops(&mut tracker(2, 0.0, 0), &[f64::NAN, 3.0, 2.0]), (None, 3));
    }

    #[test]
    fn epochs_before_the_start_count_for_nothing() {
        assert_eq!(stops(&mut tracker(2, 0.0, 3), &[0.1, 0.2, 0.3, 1.0, 1.1, 1.2]), (Some(6), 4));
    }

    #[test]
    fn accuracy_is_maximised() {
        let mut tracker = tracker(2, 0.0, 0);
        tracker.monitor.maximise = true;
        assert_eq!(stops(&mut tracker, &[0.5, 0.6, 0.6, 0.55]), (Some(4), 2));
    }
}
