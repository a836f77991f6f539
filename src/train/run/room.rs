//! Room for looks beside the steps: the run's own where the rows fit in, since a step leaves nothing there that the next one needs.

use crate::nn::{Network, Workspace};
use crate::num::Real;

/// A work space and the gradient that belongs to it.
pub(super) struct OwnRoom<T> {
    space: Workspace<T>,
    gradient: Vec<T>,
}

impl<T: Real> OwnRoom<T> {
    /// Room for so many rows; `None` where that of the run is large enough.
    pub fn new(network: &Network, rows: usize, of_run: &Workspace<T>) -> Option<OwnRoom<T>> {
        (of_run.most_rows() < rows).then(|| OwnRoom {
            space: network.workspace(rows, of_run.threads().count()),
            gradient: vec![T::ZERO; network.layout().len()],
        })
    }

    /// The room to work in.
    pub fn or<'a>(
        own: &'a mut Option<OwnRoom<T>>,
        space: &'a mut Workspace<T>,
        gradient: &'a mut [T],
    ) -> (&'a mut Workspace<T>, &'a mut [T]) {
        match own {
            Some(own) => (&mut own.space, &mut own.gradient),
            None => (space, gradient),
        }
    }
}

/// Rows that the room of a run has: those of its batches, or as many as are looked at at a time where that makes a second room needless.
pub(super) fn rows_of_run(batch: usize, looked_at: usize) -> usize {
    /// A small batch stays together in the nearest cache.
    const LARGE: usize = 128;
    if batch >= LARGE { batch.max(looked_at) } else { batch }
}
