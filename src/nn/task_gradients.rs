//! How the tasks of a network pull at what they share: the size of each task's slope on the shared tensors, and the cosine of each pair.
//! A report for the curious, not a part of a training step.

use crate::num::{Real, reduce};

use super::batch::Batch;
use super::dropout::Noise;
use super::network::Network;
use super::workspace::Workspace;

/// Each task's slope, weight included, on the shared tensors (embedding tables and trunk).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskGradients {
    /// Euclidean norm for each task.
    pub norms: Vec<f64>,
    /// Cosine of the angle between the slopes of tasks i and j, `[tasks][tasks]`; 0 where one of them is 0.
    pub cosines: Vec<Vec<f64>>,
}

/// Computes the slopes of each task of a batch by itself. `gradient` is the vector that belongs to the work space (see [`Network::gradient`]) and is left with
/// the slopes of the last task. Buffers are not moved. Costs a backward pass and a copy of the shared slopes for each task.
pub fn task_gradients<T: Real>(
    network: &Network,
    parameters: &[T],
    buffers: &[T],
    batch: &Batch<'_, T>,
    noise: Noise,
    space: &mut Workspace<T>,
    gradient: &mut [T],
) -> TaskGradients {
    let architecture = network.architecture();
    let mut moved = buffers.to_vec();
    let mut slopes: Vec<Vec<T>> = Vec::new();
    for task in 0..architecture.heads.len() {
        moved.copy_from_slice(buffers);
        network.task_gradient(parameters, &mut moved, batch, noise, task, space, gradient);
        let mut own = Vec::new();
        for segment in network.shared_segments() {
            let range = network.layout().segments()[segment].range();
            match network.tables.iter().position(|table| *table == segment) {
                None => own.extend_from_slice(&gradient[range]),
                Some(table) => {
                    // Every task touches the rows of the batch's tokens, in the same order.
                    let dim = architecture.tables[table].dim;
                    for &row in space.touched(table) {
                        own.extend_from_slice(&gradient[range.start + row as usize * dim..][..dim]);
                    }
                }
            }
        }
        slopes.push(own);
    }
    let dot = |i: usize, j: usize| reduce::dot(&slopes[i], &slopes[j]).to_f64();
    let norms: Vec<f64> = (0..slopes.len()).map(|i| dot(i, i).sqrt()).collect();
    let cosine = |i: usize, j: usize| {
        let product = norms[i] * norms[j];
        if product > 0.0 { dot(i, j) / product } else { 0.0 }
    };
    let cosines = (0..slopes.len()).map(|i| (0..slopes.len()).map(|j| cosine(i, j)).collect()).collect();
    TaskGradients { norms, cosines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::tests::{dense, head, hidden};
    use crate::nn::{Activation, Loss, Targets};

    #[test]
    fn equal_tasks_pull_the_same_way_and_opposite_ones_against_each_other() {
        let mse = Loss::Mse { half: true };
        let mut heads = vec![head("a", 1, mse), head("b", 1, mse), head("c", 1, mse)];
        heads[1].weight = 2.0;
        let network = Network::new(dense(2, vec![hidden(3, Activation::Tanh)], heads));
        let mut parameters = network.initialise::<f64>(5);
        // The same output weights for all; outputs 0 up to the target, so that the slopes differ in sign and size alone.
        let weights: Vec<f64> = vec![0.3, -0.2, 0.5];
        for name in ["head.a.weight", "head.b.weight", "head.c.weight"] {
            let range = network.layout().segment(name).unwrap().range();
            parameters[range].copy_from_slice(&weights);
        }
        let features = [0.5, -1.0];
        let mut space = network.workspace(1, 1);
        let bare = Batch { rows: 1, features: &features, tokens: &[], targets: &[], weights: None };
        network.infer(&parameters, &[], &bare, &mut space);
        let z = space.outputs(&network, 0)[0];
        let targets = [[z - 1.0], [z - 1.0], [z + 3.0]];
        let targets = targets.each_ref().map(|y| Targets::Values(y));
        let batch = Batch { targets: &targets, ..bare };
        let mut gradient = vec![0.0; network.layout().len()];
        let found = task_gradients(&network, &parameters, &[], &batch, Noise::default(), &mut space, &mut gradient);
        let near = |seen: f64, expected: f64| (seen - expected).abs() < 1e-12;
        assert!(near(found.norms[1], 2.0 * found.norms[0]) && near(found.norms[2], 3.0 * found.norms[0]));
        assert!(near(found.cosines[0][1], 1.0) && near(found.cosines[0][2], -1.0) && near(found.cosines[2][2], 1.0));
    }
}
