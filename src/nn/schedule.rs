//! Schedules of the learning rate: pure functions of time, and the plateau rule with its small state. The formulas are closed forms; warm-up
//! stands before any of them. Not here: which metric is watched, or when an epoch ends.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the rate changes with time.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rule.
    pub rule: Rule,
    /// What t counts.
    pub unit: Unit,
    /// A rise before the rule begins.
    pub warmup: Option<Warmup>,
}

/// What t counts: completed steps or completed epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Steps.
    #[default]
    Step,
    /// Epochs.
    Epoch,
}

/// A rise of the rate in a straight line from `start_factor` times to once the rule's first rate, over the first `steps` steps: the first step has
/// `start_factor` times the rate, not 0.
///
/// The rule's own time begins when the rise ends. Where it counts epochs, it begins with the epoch in which the rise ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// Steps (of the optimizer, whatever the rule counts).
    pub steps: u64,
    /// Factor of the first step.
    pub start_factor: f64,
}

/// The rules; lr₀ is the optimizer's rate.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// lr₀.
    Constant,
    /// lr₀ γ^⌊t/k⌋.
    Step {
        /// k.
        step_size: u64,
        /// γ.
        gamma: f64,
    },
    /// lr₀ γ^t.
    Exponential {
        /// γ.
        gamma: f64,
    },
    /// lr₀ / (1 + kt).
    InverseTime {
        /// k.
        k: f64,
    },
    /// lr₀ τ / max(t, τ): constant for τ, then falling as 1/t.
    Tau {
        /// τ.
        tau: f64,
    },
    /// η + (lr₀ - η) (1 - min(t, T)/T)^p.
    Polynomial {
        /// T.
        steps: u64,
        /// p.
        power: f64,
        /// η.
        last: f64,
    },
    /// η + (lr₀ - η) (1 + cos πt/T) / 2 up to T, then η.
    Cosine {
        /// T.
        steps: u64,
        /// η.
        last: f64,
    },
    /// Cosine that begins again after T steps, then after `multiplier` T, ….
    CosineRestarts {
        /// Length of the first round.
        first: u64,
        /// Factor from round to round.
        multiplier: u64,
        /// η, reached only in the limit.
        last: f64,
    },
    /// Smith's one cycle over T steps: from max/25 up to max, then down to max/250 000, both along half a cosine; momentum (beta1) 0.95 → 0.85 →
    /// 0.95 at the same time. Sets the rate whatever lr₀ is; after T it stays at the end.
    OneCycle {
        /// T.
        steps: u64,
        /// The rate at the peak.
        max_learning_rate: f64,
        /// Share of the cycle that rises.
        rise: f64,
    },
    /// Multiplied by a factor whenever a metric stops improving; see [`PlateauState`].
    Plateau(Plateau),
}

/// The plateau rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    /// The metric that is watched.
    pub monitor: String,
    /// Whether larger is better.
    pub maximise: bool,
    /// Factor of each cut.
    pub factor: f64,
    /// Bad epochs that are forgiven; the next one cuts.
    pub patience: u64,
    /// What must be gained for an epoch not to be bad, in the metric's own unit.
    pub min_delta: f64,
    /// Epochs after a cut that are not counted as bad.
    pub cooldown: u64,
    /// The rate never falls below it.
    pub min_learning_rate: f64,
}

/// A point in time of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Completed steps.
    pub step: u64,
    /// Completed epochs.
    pub epoch: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
}

/// Where the plateau rule stands; saved in checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// Product of all cuts so far.
    pub factor: f64,
    /// Best value seen.
    pub best: Option<f64>,
    /// Bad epochs in a row.
    pub bad: u64,
    /// Epochs for which none is counted as bad.
    pub cooling: u64,
}

impl Default for PlateauState {
    fn default() -> Self {
        PlateauState { factor: 1.0, best: None, bad: 0, cooling: 0 }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { rule: Rule::Constant, unit: Unit::Step, warmup: None }
    }
}

impl Schedule {
    /// The rate of the step that comes next at `time`. `base` is lr₀.
    pub fn learning_rate(&self, base: f64, time: Time, plateau: &PlateauState) -> f64 {
        let Some(warmup) = self.warmup.filter(|warmup| time.step < warmup.steps) else {
            return self.rule.learning_rate(base, self.own_time(time), plateau);
        };
        let share = time.step as f64 / warmup.steps as f64;
        let factor = warmup.start_factor + (1.0 - warmup.start_factor) * share;
        self.rule.learning_rate(base, 0, plateau) * factor
    }

    /// The momentum (beta1) of the step that comes next, where the rule sets it.
    pub fn momentum(&self, time: Time) -> Option<f64> {
        match self.rule {
            Rule::OneCycle { steps, rise, .. } => {
                let rising = self.warmup.is_some_and(|warmup| time.step < warmup.steps);
                let t = if rising { 0 } else { self.own_time(time) };
                Some(one_cycle(t, steps, rise, [0.95, 0.85, 0.95]))
            }
            _ => None,
        }
    }

    /// Whether the rule sets the momentum in every step.
    pub fn cycles_momentum(&self) -> bool {
        matches!(self.rule, Rule::OneCycle { .. })
    }

    /// The plateau rule, if that is the one.
    pub fn plateau(&self) -> Option<&Plateau> {
        match &self.rule {
            Rule::Plateau(plateau) => Some(plateau),
            _ => None,
        }
    }

    /// t of the rule.
    fn own_time(&self, time: Time) -> u64 {
        let before = self.warmup.map_or(0, |warmup| warmup.steps);
        match self.unit {
            Unit::Step => time.step.saturating_sub(before),
            Unit::Epoch => time.epoch.saturating_sub(before / time.steps_per_epoch.max(1)),
        }
    }
}

impl Rule {
    fn learning_rate(&self, base: f64, t: u64, plateau: &PlateauState) -> f64 {
        let x = t as f64;
        match *self {
            Rule::Constant => base,
            Rule::Step { step_size, gamma } => base * libm::pow(gamma, (t / step_size.max(1)) as f64),
            Rule::Exponential { gamma } => base * libm::pow(gamma, x),
            Rule::InverseTime { k } => base / (1.0 + k * x),
            Rule::Tau { tau } => base * tau / x.max(tau),
            Rule::Polynomial { steps, power, last } => {
                let left = 1.0 - t.min(steps) as f64 / steps.max(1) as f64;
                last + (base - last) * libm::pow(left, power)
            }
            Rule::Cosine { steps, last } => half_cosine(base, last, t.min(steps), steps),
            Rule::CosineRestarts { first, multiplier, last } => {
                let (mut since, mut round) = (t, first.max(1));
                if multiplier <= 1 {
                    since %= round;
                }
                while since >= round {
                    since -= round;
                    round = round.saturating_mul(multiplier);
                }
                half_cosine(base, last, since, round)
            }
            Rule::OneCycle { steps, max_learning_rate: max, rise } => {
                one_cycle(t, steps, rise, [max / 25.0, max, max / 25.0 / 1e4])
            }
            Rule::Plateau(ref rule) => (base * plateau.factor).max(rule.min_learning_rate.min(base)),
        }
    }
}

fn half_cosine(from: f64, to: f64, t: u64, length: u64) -> f64 {
    to + (from - to) * (1.0 + libm::cos(PI * (t as f64 / length.max(1) as f64))) / 2.0
}

/// From the first value over half a cosine to the second, which it has at `rise · steps - 1`, then to the third at `steps - 1`.
fn one_cycle(t: u64, steps: u64, rise: f64, [start, peak, end]: [f64; 3]) -> f64 {
    let last = steps.max(1) as f64 - 1.0;
    let top = rise * steps as f64 - 1.0;
    let t = (t as f64).min(last);
    let between = |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * (1.0 + libm::cos(PI * share));
    if top > 0.0 && t <= top { between(start, peak, t / top) } else { between(peak, end, (t - top) / (last - top)) }
}

impl PlateauState {
    /// Looks at the metric of a completed epoch; says whether the rate was cut. What is not finite is bad. `base` is lr₀: a cut of the rate by no more than 1e-8 is none.
    pub fn observe(&mut self, rule: &Plateau, base: f64, value: f64) -> bool {
        let better = match self.best {
            None => true,
            Some(best) if rule.maximise => value > best + rule.min_delta,
            Some(best) => value < best - rule.min_delta,
        };
        if better && value.is_finite() {
            self.best = Some(value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= rule.patience {
            return false;
        }
        self.cooling = rule.cooldown;
        self.bad = 0;
        let floor = rule.min_learning_rate.min(base);
        let (old, new) = ((base * self.factor).max(floor), (base * self.factor * rule.factor).max(floor));
        let cuts = old - new > 1e-8;
        if cuts {
            self.factor *= rule.factor;
        }
        cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_steps(rule: Rule) -> Schedule {
        Schedule { rule, unit: Unit::Step, warmup: None }
    }

    fn at(step: u64) -> Time {
        Time { step, epoch: step / 3, steps_per_epoch: 3 }
    }

    /// Rates of the first steps for lr₀ = 0.1 (1 for one-cycle, which sets its own), against the numbers of torch 2.15.
    #[track_caller]
    fn assert_rates(schedule: &Schedule, golden: &[f64]) {
        for (step, golden) in golden.iter().enumerate() {
            let rate = schedule.learning_rate(0.1, at(step as u64), &PlateauState::default());
            assert!((rate - golden).abs() <= 5.1e-7, "step {step}: {rate} instead of {golden}");
        }
    }

    #[test]
    fn rates_are_those_of_torch() {
        let step = Rule::Step { step_size: 3, gamma: 0.5 };
        assert_rates(&of_steps(step), &[0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]);
        assert_rates(&of_steps(Rule::Exponential { gamma: 0.9 }), &[0.1, 0.09, 0.081, 0.0729, 0.06561]);
        let polynomial = Rule::Polynomial { steps: 5, power: 2.0, last: 0.0 };
        assert_rates(&of_steps(polynomial), &[0.1, 0.064, 0.036, 0.016, 0.004, 0.0, 0.0]);
        let cosine = Rule::Cosine { steps: 5, last: 0.01 };
        let golden = [0.1, 0.0914058, 0.0689058, 0.0410942, 0.0185942, 0.01, 0.01, 0.01];
        assert_rates(&of_steps(cosine), &golden);
        let restarts = Rule::CosineRestarts { first: 3, multiplier: 2, last: 0.0 };
        let golden = [0.1, 0.075, 0.025, 0.1, 0.0933013, 0.075, 0.05, 0.025, 0.00669873, 0.1];
        assert_rates(&of_steps(restarts), &golden);
        assert_rates(&of_steps(Rule::InverseTime { k: 1.0 }), &[0.1, 0.05, 0.1 / 3.0, 0.025]);
        assert_rates(&of_steps(Rule::Tau { tau: 2.0 }), &[0.1, 0.1, 0.1, 0.1 * 2.0 / 3.0, 0.05]);
        assert_rates(&of_steps(Rule::Constant), &[0.1; 9]);
    }

    #[test]
    fn a_warm_up_begins_above_zero_and_the_rule_after_it_at_its_own_zero() {
        let warmup = Some(Warmup { steps: 5, start_factor: 0.1 });
        let schedule = Schedule { rule: Rule::Constant, unit: Unit::Step, warmup };
        assert_rates(&schedule, &[0.01, 0.028, 0.046, 0.064, 0.082, 0.1, 0.1]);
        let warmup = Some(Warmup { steps: 4, start_factor: 0.1 });
        let rule = Rule::Cosine { steps: 6, last: 0.0 };
        let golden = [0.01, 0.0325, 0.055, 0.0775, 0.1, 0.0933013, 0.075, 0.05, 0.025, 0.00669873, 0.0];
        assert_rates(&Schedule { rule, unit: Unit::Step, warmup }, &golden);
        // Where epochs count (three steps each), the rule begins with the epoch in which the rise ends.
        let rule = Rule::Exponential { gamma: 0.5 };
        let golden = [0.01, 0.0325, 0.055, 0.0775, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025];
        assert_rates(&Schedule { rule, unit: Unit::Epoch, warmup }, &golden);
    }

    #[test]
    fn one_cycle_turns_rate_and_momentum_against_each_other() {
        let schedule = of_steps(Rule::OneCycle { steps: 10, max_learning_rate: 1.0, rise: 0.3 });
        let rates = [0.04, 0.52, 1.0, 0.950485, 0.811746, 0.611262, 0.388742, 0.188258, 0.0495194, 4e-6, 4e-6];
        assert_rates(&schedule, &rates);
        let momenta = [0.95, 0.9, 0.85, 0.854952, 0.868826, 0.888874, 0.911126, 0.931174, 0.945048, 0.95, 0.95];
        for (step, golden) in momenta.iter().enumerate() {
            assert!((schedule.momentum(at(step as u64)).unwrap() - golden).abs() < 1e-6, "step {step}");
        }
        assert_eq!(of_steps(Rule::Constant).momentum(at(0)), None);
    }

    fn plateau() -> Plateau {
        Plateau {
            monitor: "val_loss".into(),
            maximise: false,
            factor: 0.5,
            patience: 2,
            min_delta: 0.0,
            cooldown: 0,
            min_learning_rate: 0.0,
        }
    }

    /// The rate used in each epoch, given the metric at the end of each.
    fn rates(rule: Plateau, metrics: &[f64]) -> Vec<f64> {
        let schedule = Schedule { rule: Rule::Plateau(rule.clone()), unit: Unit::Epoch, warmup: None };
        let mut state = PlateauState::default();
        let rate = |metric: &f64| {
            let used = schedule.learning_rate(0.1, Time::default(), &state);
            state.observe(&rule, 0.1, *metric);
            used
        };
        metrics.iter().map(rate).collect()
    }

    #[test]
    fn a_plateau_cuts_after_patience_and_one_bad_epochs() {
        let golden = [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025];
        assert_eq!(rates(plateau(), &[1.0; 8]), golden);
        let not_a_number = [1.0, f64::NAN, f64::NAN, f64::NAN, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(rates(plateau(), &not_a_number), golden);
        assert_eq!(rates(plateau(), &[1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.9])[..7], [0.1; 7]);
        // A gain of less than min_delta is none, whatever the sign of the metric.
        let picky = Plateau { min_delta: 0.05, ..plateau() };
        assert_eq!(rates(picky.clone(), &[-1.0, -1.01, -1.02, -1.03, -1.04])[4], 0.05);
        let rising = Plateau { maximise: true, ..picky };
        assert_eq!(rates(rising, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])[..7], [0.1; 7]);
    }

    #[test]
    fn a_plateau_rests_after_a_cut_and_stops_at_its_floor() {
        let resting = Plateau { patience: 0, cooldown: 2, ..plateau() };
        assert_eq!(rates(resting, &[1.0; 8]), [0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025]);
        let floored = Plateau { patience: 0, min_learning_rate: 0.03, ..plateau() };
        assert_eq!(rates(floored, &[1.0; 6]), [0.1, 0.1, 0.05, 0.03, 0.03, 0.03]);
    }
}
