//! Gradient descent with momentum in both forms, and Nesterov's look-ahead (torch/optim/sgd.py; CS231n's notes for the classical form).

use super::{Element, Rule, SLOTS, Step};
use crate::num::Real;

/// Gradient descent: θ -= lr · g, or with a buffer b of past gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Share of the buffer that is kept, μ.
    pub momentum: Momentum,
    /// Whether the rate stands outside or inside the buffer.
    pub form: MomentumForm,
    /// Share by which a gradient is damped in the buffer, from the second step on.
    pub dampening: f64,
    /// Steps by g + μ b instead of b.
    pub nesterov: bool,
}

/// μ, the share of the buffer that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Momentum {
    /// The same in every step; 0 is none, and needs no buffer.
    Constant(f64),
    /// From `initial` in a straight line to `last` over the first `epochs` epochs; the same throughout an epoch.
    Rising {
        /// In the first epoch.
        initial: f64,
        /// From epoch `epochs` on.
        last: f64,
        /// Epochs of the rise.
        epochs: u64,
    },
    /// Set by the schedule in every step.
    Scheduled,
}

/// Where the rate stands; the forms differ only when it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MomentumForm {
    /// b = μb + g; θ -= lr · b.
    #[default]
    Pytorch,
    /// v = μv - lr · g; θ += v.
    Classical,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { momentum: Momentum::Constant(0.0), form: MomentumForm::Pytorch, dampening: 0.0, nesterov: false }
    }
}

impl Momentum {
    /// μ after so many completed epochs.
    pub fn at(&self, epoch: u64) -> f64 {
        match *self {
            Momentum::Constant(momentum) => momentum,
            Momentum::Rising { initial, last, epochs } if epoch < epochs => {
                initial + (last - initial) * (epoch as f64 / epochs as f64)
            }
            Momentum::Rising { last, .. } => last,
            Momentum::Scheduled => 0.0,
        }
    }
}

impl Rule for Sgd {
    type Element<T: Real> = Of<T>;

    fn slots(&self) -> usize {
        usize::from(self.momentum != Momentum::Constant(0.0))
    }

    fn rests_without_gradient(&self) -> bool {
        self.slots() == 0
    }

    fn element<T: Real>(&self, step: &Step) -> Of<T> {
        let rate = step.learning_rate;
        let momentum = step.momentum.unwrap_or_else(|| self.momentum.at(step.epoch));
        // The first gradient fills the buffer undamped.
        let share = if step.t == 1.0 { 1.0 } else { 1.0 - self.dampening };
        let (keep, take, by_gradient, by_buffer) = match (self.slots(), self.form, self.nesterov) {
            (0, ..) => (0.0, 0.0, -rate, 0.0),
            (_, MomentumForm::Pytorch, false) => (momentum, share, 0.0, -rate),
            (_, MomentumForm::Pytorch, true) => (momentum, share, -rate, -rate * momentum),
            (_, MomentumForm::Classical, false) => (momentum, -rate * share, 0.0, 1.0),
            (_, MomentumForm::Classical, true) => (momentum, -rate * share, -rate, momentum),
        };
        let [keep, take, by_gradient, by_buffer] = [keep, take, by_gradient, by_buffer].map(T::from_f64);
        Of { keep, take, by_gradient, by_buffer }
    }
}

/// b = keep · b + take · g; θ += by_gradient · g + by_buffer · b: all forms are this with numbers of their own.
#[derive(Clone, Copy)]
pub(super) struct Of<T> {
    keep: T,
    take: T,
    by_gradient: T,
    by_buffer: T,
}

impl<T: Real> Element<T> for Of<T> {
    #[inline(always)]
    fn step(self, p: T, g: T, [b, ..]: &mut [T; SLOTS]) -> T {
        *b = self.keep.mul_add(*b, self.take * g);
        self.by_buffer.mul_add(*b, self.by_gradient.mul_add(g, p))
    }
}
