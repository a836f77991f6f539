//! How the tasks pull at what they share, looked at after each epoch on the same rows, so that its curve tells of the weights alone.

use super::room::OwnRoom;
use crate::data::{BatchBuffer, DataError};
use crate::nn::{Network, Noise, TaskGradients, Workspace, task_gradients};
use crate::num::Real;
use crate::train::fit::Dataset;
use crate::train::order::labelled;
use crate::train::plan::{Plan, Switch};
use crate::train::view::Lists;

/// Labelled rows of each task that are looked at, at most.
const MOST_ROWS: usize = 128;
/// And as a share of the training part, so that the look costs little beside an epoch.
const SHARE: usize = 32;
/// But no fewer: batch normalisation needs two, and a slope of one row says little.
const LEAST_ROWS: usize = 8;

/// The rows, and room for them where that of the run is too small.
pub(super) struct TaskProbe<T: 'static> {
    batch: BatchBuffer<T>,
    lists: Lists<T>,
    own: Option<OwnRoom<T>>,
}

impl<T: Real> TaskProbe<T> {
    /// Makes ready; `None` for a network of one task, and where statistics are switched off.
    pub fn new(
        plan: &Plan,
        network: &Network,
        data: &Dataset<T>,
        space: &Workspace<T>,
    ) -> Result<Option<TaskProbe<T>>, DataError> {
        if plan.architecture.heads.len() < 2 || plan.record.layer_statistics == Switch::Off {
            return Ok(None);
        }
        let train = &data.train;
        let most = (train.rows() / SHARE).clamp(LEAST_ROWS, MOST_ROWS);
        let mut rows: Vec<u32> = Vec::new();
        for column in &train.labels().targets {
            let places = labelled(column, train.rows());
            rows.extend(places.iter().step_by(places.len().div_ceil(most).max(1)));
        }
        rows.sort_unstable();
        rows.dedup();
        let mut batch = train.buffer(rows.len());
        train.gather(&rows, &mut batch)?;
        Ok(Some(TaskProbe { own: OwnRoom::new(network, rows.len(), space), lists: Lists::default(), batch }))
    }

    /// Appends `gradient_norm/NAME` of each task and `gradient_cosine/NAME/OTHER` of each pair. `room`: the run's work space and gradient.
    pub fn append(
        &mut self,
        network: &Network,
        parameters: &[T],
        buffers: &[T],
        noise: Noise,
        room: (&mut Workspace<T>, &mut [T]),
        metrics: &mut Vec<(String, f64)>,
    ) {
        let TaskProbe { batch, lists, own } = self;
        let (space, gradient) = OwnRoom::or(own, room.0, room.1);
        let examples = &batch.examples;
        let TaskGradients { norms, cosines } = lists.with_batch(examples, 0..examples.rows, true, |batch| {
            task_gradients(network, parameters, buffers, batch, noise, space, gradient)
        });
        let names = || network.architecture().heads.iter().map(|head| &head.name).enumerate();
        metrics.extend(names().map(|(task, name)| (format!("gradient_norm/{name}"), norms[task])));
        for (task, name) in names() {
            let pairs = names().skip(task + 1);
            metrics.extend(
                pairs.map(|(other, second)| (format!("gradient_cosine/{name}/{second}"), cosines[task][other])),
            );
        }
    }
}
