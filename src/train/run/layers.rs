//! What goes on inside the layers, looked at after some epochs on the same rows: activations that saturate or die, slopes that vanish, steps that are too
//! large for the weights. A look costs about one step over its rows and leaves no trace in the run.

use super::room::OwnRoom;
use crate::data::{BatchBuffer, DataError, Part};
use crate::nn::optimizer::{Method, Optimizer, Rows, State, StepInfo};
use crate::nn::{Activity, Network, Noise, Penalties, Role, Workspace, activity};
use crate::num::{Real, reduce};
use crate::train::plan::{Plan, Switch};
use crate::train::view::Lists;

/// Rows that are looked at, at most.
const MOST_ROWS: usize = 128;
/// A look may cost such a share of the epochs between two looks.
const SHARE: usize = 96;
/// And there are about so many of them, however long the run.
const MOST_LOOKS: u64 = 200;
/// After these epochs it is looked whatever it costs: most of what goes wrong shows there.
const FIRST_EPOCHS: [u64; 2] = [1, 3];

/// What a look needs beside the run itself.
pub(super) struct LayerProbe<T: 'static> {
    every: u64,
    batch: BatchBuffer<T>,
    lists: Lists<T>,
    own: Option<OwnRoom<T>>,
    buffers: Vec<T>,
}

/// What of the run a look sees.
pub(super) struct Look<'a, T> {
    pub plan: &'a Plan,
    pub network: &'a Network,
    pub optimizer: &'a Optimizer,
    pub penalties: &'a Penalties,
    pub parameters: &'a [T],
    pub buffers: &'a [T],
    pub state: &'a State<T>,
    /// The run's room, which is used where the rows fit in.
    pub space: &'a mut Workspace<T>,
    pub gradient: &'a mut [T],
    pub noise: Noise,
    pub info: StepInfo,
}

impl<T: Real> LayerProbe<T> {
    /// Makes ready; `None` where statistics are switched off or there is no row.
    pub fn new(
        plan: &Plan,
        network: &Network,
        train: &Part<T>,
        space: &Workspace<T>,
    ) -> Result<Option<LayerProbe<T>>, DataError> {
        let all = train.rows();
        if plan.record.layer_statistics == Switch::Off || all == 0 {
            return Ok(None);
        }
        let count = all.min(MOST_ROWS);
        let rows: Vec<u32> = (0..count).map(|i| (i * all / count) as u32).collect();
        let mut batch = train.buffer(count);
        train.gather(&rows, &mut batch)?;
        let every = match plan.record.layer_statistics {
            Switch::On => 1,
            _ => ((SHARE * count).div_ceil(all) as u64).max(plan.epochs / MOST_LOOKS),
        };
        Ok(Some(LayerProbe {
            every,
            batch,
            lists: Lists::default(),
            own: OwnRoom::new(network, count, space),
            buffers: vec![T::ZERO; network.buffers().len()],
        }))
    }

    /// Whether it is looked after this epoch, the last one among them.
    pub fn is_due(&self, epoch: u64, is_last: bool) -> bool {
        is_last || epoch == 0 || FIRST_EPOCHS.contains(&epoch) || epoch.is_multiple_of(self.every)
    }

    /// Appends `layer/NAME/WHAT` of every hidden layer and output.
    pub fn append(&mut self, look: Look<'_, T>, metrics: &mut Vec<(String, f64)>) {
        let LayerProbe { batch, lists, own, buffers, .. } = self;
        let Look { plan, network, optimizer, penalties, parameters, noise, info, state, .. } = look;
        buffers.copy_from_slice(look.buffers);
        let (space, gradient) = OwnRoom::or(own, look.space, look.gradient);
        let examples = &batch.examples;
        lists.with_batch(examples, 0..examples.rows, true, |batch| {
            network.gradient(parameters, buffers, batch, noise, penalties, None, space, gradient)
        });
        let architecture = network.architecture();
        let hidden = architecture.hidden.iter().chain(architecture.heads.iter().flat_map(|head| &head.hidden));
        for (layer, activation) in space.layers(network).zip(hidden.map(|layer| layer.activation)) {
            append_activity(layer.name, activity(&layer, activation), metrics);
        }
        let layout = network.layout();
        let slopes: Vec<(f64, f64)> = weights(network)
            .map(|(_, segment)| {
                let norm = norm(&gradient[segment.range()]);
                (norm, norm / (segment.len().max(1) as f64).sqrt())
            })
            .collect();
        if let Some(clipping) = plan.clipping {
            let all = |_: usize| Rows::All;
            let whole = crate::nn::clipping::gradient_norm(layout, gradient, &all);
            clipping.apply(layout, gradient, &all, whole);
        }
        for ((index, segment), (slope, rms)) in weights(network).zip(slopes) {
            let layer = segment.name.trim_end_matches(".weight");
            let weight = norm(&parameters[segment.range()]);
            let mut push = |what: &str, value: f64| metrics.push((format!("layer/{layer}/{what}"), value));
            push("gradient_norm", slope);
            push("gradient_rms", rms);
            push("weight_norm", weight);
            if !matches!(optimizer.method, Method::Lbfgs(_)) && weight > 0.0 {
                let moved = optimizer.step_length(layout, info, parameters, gradient, index, state);
                push("update_ratio", moved / weight);
            }
        }
    }
}

/// The weight tensors of the dense layers with their places in the layout.
fn weights(network: &Network) -> impl Iterator<Item = (usize, &crate::nn::Segment)> {
    network.layout().segments().iter().enumerate().filter(|(_, segment)| segment.role == Role::Weight)
}

fn norm<T: Real>(values: &[T]) -> f64 {
    reduce::sum_of_squares_wide(values).sqrt()
}

/// Appends what was seen of a layer; what its curve does not have is left out.
fn append_activity(name: &str, seen: Activity, metrics: &mut Vec<(String, f64)>) {
    let always = [
        ("activation_mean", seen.activation_mean),
        ("activation_std", seen.activation_std),
        ("pre_activation_std", seen.pre_activation_std),
    ];
    let some =
        [("saturated_share", seen.saturated_share), ("dead_share", seen.dead_share), ("zero_share", seen.zero_share)];
    let some = some.into_iter().filter_map(|(what, value)| Some((what, value?)));
    metrics.extend(always.into_iter().chain(some).map(|(what, value)| (format!("layer/{name}/{what}"), value)));
}
