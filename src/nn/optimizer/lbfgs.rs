//! L-BFGS over the full batch with a strong Wolfe line search (Nocedal and Wright, algorithms 7.4, 7.5, 3.5 and 3.6; torch/optim/lbfgs.py).

use super::{Method, State};
use crate::nn::layout::Layout;
use crate::num::Real;

/// Limited-memory BFGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lbfgs {
    /// Past steps that the curvature is estimated from.
    pub history: usize,
    /// Iterations of one step, which is one epoch.
    pub max_iterations: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs { history: 10, max_iterations: 20 }
    }
}

/// One step of L-BFGS: the function that is minimised, and room to work.
pub struct Search;

pub(super) fn state<T: Real>(method: &Method, layout: &Layout) -> State<T> {
    let _ = (method, layout);
    State { slots: Vec::new(), scalars: Vec::new() }
}
