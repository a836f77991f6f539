//! Wrong derivatives on purpose, so that tests can show that the gradient check notices. Release builds have none of it: unit tests
//! break any site on their own thread, and a debug build breaks the slope of one activation where the environment asks for it
//! (`TRAINYARD_BROKEN_DERIVATIVE=tanh:1.01`), so that a story can watch the whole server notice.

#[cfg(test)]
use std::cell::Cell;

use super::activation::Activation;
use crate::num::Real;

/// A derivative that can be broken.
#[cfg_attr(not(test), allow(dead_code, reason = "a debug build breaks activations alone"))]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Site {
    /// Of an activation.
    Activation(Activation),
    /// Of the loss with respect to the outputs.
    Loss,
    /// Of a normalisation with respect to its input.
    Normalization,
    /// Of a normalisation with respect to its scale.
    NormScale,
    /// Of a bias.
    Bias,
    /// Of a dense layer's weights.
    Weight,
    /// Of a dense layer's input.
    Input,
    /// Of dropped outputs.
    Dropout,
    /// Of the rows of an embedding table.
    Embedding,
    /// Of the penalty on activity.
    Sparsity,
    /// Of the penalties on weights.
    Penalty,
}

#[cfg(test)]
thread_local! {
    static BROKEN: Cell<Option<(Site, f64)>> = const { Cell::new(None) };
}

/// While `work` runs, the derivative at `site` is multiplied by `factor` on this thread.
#[cfg(test)]
pub fn with_broken<R>(site: Site, factor: f64, work: impl FnOnce() -> R) -> R {
    BROKEN.set(Some((site, factor)));
    let result = work();
    BROKEN.set(None);
    result
}

/// What the derivative at `site` is multiplied by: 1 where it is not broken.
#[cfg(test)]
pub fn factor(site: Site) -> f64 {
    BROKEN.get().filter(|(broken, _)| *broken == site).map_or(1.0, |(_, factor)| factor)
}

/// As the environment asks for it, read once.
#[cfg(not(test))]
fn factor(site: Site) -> f64 {
    static ASKED: std::sync::OnceLock<Option<(Activation, f64)>> = std::sync::OnceLock::new();
    let asked = ASKED.get_or_init(|| {
        let text = std::env::var("TRAINYARD_BROKEN_DERIVATIVE").ok()?;
        let (name, factor) = text.split_once(':')?;
        Some((Activation::from_name(name)?, factor.parse().ok()?))
    });
    match asked {
        Some((broken, factor)) if site == Site::Activation(*broken) => *factor,
        _ => 1.0,
    }
}

/// Breaks `d` where it is at the chosen site.
pub fn spoil<T: Real>(site: Site, d: &mut [T]) {
    let factor = factor(site);
    if factor != 1.0 {
        d.iter_mut().for_each(|d| *d *= T::from_f64(factor));
    }
}
