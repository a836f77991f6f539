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
