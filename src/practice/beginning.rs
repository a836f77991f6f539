//! Two checks of a beginning: how activations and slopes are spread over the untrained layers (Glorot and Bengio 2010), and whether a
//! network that sees its inputs learns more than one that does not (Karpathy's recipe).

use serde::Serialize;

use super::Verdict;
use super::batch::with_batch;
use super::gradient::spread;
use super::short::{ShortRun, steps_one_by_one};
use crate::data::Examples;
use crate::nn::optimizer::Optimizer;
use crate::nn::{Architecture, Network, Noise, Penalties, activity};

/// Share of flat units that an untrained layer may have; tanh with the sigmoid's gain was measured at 60 %, sound ones below 6 %.
const MOST_FLAT: f64 = 0.25;
const MOST_DEAD: f64 = 0.4;
/// How far the slopes of the first and the last hidden layer may be apart, in networks of four weight layers and more.
const LEAST_SLOPE: f64 = 0.05;
const MOST_SLOPE: f64 = 100.0;
/// Rows that are looked at.
const ROWS: usize = 1_000;
/// Steps of each of the two short runs.
const STEPS: u64 = 200;
/// What the seeing network must at least gain.
const GAIN: f64 = 0.95;

/// What the untrained layers look like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InitStatistics {
    /// Failed where a layer starts flat, dead, or cut off from the slope.
    pub verdict: Verdict,
    /// Each hidden layer, from the inputs on.
    pub layers: Vec<LayerAtStart>,
    /// What it means and what to do.
    pub advice: String,
}

/// One untrained hidden layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerAtStart {
    /// Its name.
    pub name: String,
    /// Standard deviation of what the activation gets.
    pub pre_activation_std: f64,
    /// Mean of what it gives.
    pub activation_mean: f64,
    /// Its standard deviation.
    pub activation_std: f64,
    /// Share of what it gives where the curve is flat.
    pub saturated_share: f64,
    /// Share of units that are 0 on every row.
    pub dead_share: f64,
    /// Root mean square of the slope of its weights.
    pub gradient_rms: f64,
}

/// Rows for the checks of this file.
pub fn beginning_rows(training: &[u32]) -> Vec<u32> {
    spread(training, ROWS)
}

/// Looks at every hidden layer before the first step.
pub fn check_init(architecture: &Architecture, seed: u64, examples: &Examples<f64>) -> InitStatistics {
    let network = Network::new(architecture.clone());
    let parameters = network.initialise::<f64>(seed);
    let mut buffers = network.initial_buffers::<f64>();
    let mut space = network.workspace::<f64>(examples.rows, 1);
    let mut gradient = vec![0.0; parameters.len()];
    let noise = Noise { seed, epoch: 0, step: 0 };
    with_batch(examples, |batch| {
        network.gradient(
            &parameters,
            &mut buffers,
            batch,
            noise,
            &Penalties::default(),
            None,
            &mut space,
            &mut gradient,
        )
    });
    let kinds = architecture.hidden.iter().chain(architecture.heads.iter().flat_map(|head| &head.hidden));
    let layers: Vec<LayerAtStart> = space
        .layers(&network)
        .zip(kinds.map(|layer| layer.activation))
        .map(|(layer, activation)| {
            let seen = activity(&layer, activation);
            let slopes =
                network.layout().segment(&format!("{}.weight", layer.name)).map(|segment| &gradient[segment.range()]);
            LayerAtStart {
                name: layer.name.to_owned(),
                pre_activation_std: seen.pre_activation_std,
                activation_mean: seen.activation_mean,
                activation_std: seen.activation_std,
                saturated_share: seen.saturated_share.unwrap_or(0.0),
                dead_share: seen.dead_share.unwrap_or(0.0),
                gradient_rms: slopes
                    .map_or(0.0, |g| (g.iter().map(|g| g * g).sum::<f64>() / g.len().max(1) as f64).sqrt()),
            }
        })
        .collect();
    let advice = init_advice(&layers);
    let verdict = match (&advice, layers.is_empty()) {
        (_, true) => Verdict::Unchecked,
        (None, _) => Verdict::Passed,
        (Some(_), _) => Verdict::Failed,
    };
    InitStatistics {
        verdict,
        layers,
        advice: advice.unwrap_or_else(|| "Every layer starts where it can learn.".to_owned()),
    }
}

fn init_advice(layers: &[LayerAtStart]) -> Option<String> {
    if let Some(layer) = layers.iter().find(|layer| layer.saturated_share > MOST_FLAT) {
        return Some(format!(
            "{:.0} % of what {} gives is flat before the first step: use \"init\":\"auto\" and standardise the inputs.",
            100.0 * layer.saturated_share,
            layer.name
        ));
    }
    if let Some(layer) = layers.iter().find(|layer| layer.dead_share > MOST_DEAD) {
        return Some(format!(
            "{:.0} % of the units of {} fire on no row: use \"init\":\"auto\", a bias of 0 and standardised inputs.",
            100.0 * layer.dead_share,
            layer.name
        ));
    }
    let trunk: Vec<&LayerAtStart> = layers.iter().filter(|layer| layer.name.starts_with("hidden.")).collect();
    let (first, last) = (trunk.first()?, trunk.last()?);
    let ratio = first.gradient_rms / last.gradient_rms;
    (trunk.len() >= 3 && !(LEAST_SLOPE..=MOST_SLOPE).contains(&ratio)).then(|| {
        format!(
            "The slope of the first hidden layer is {ratio:.1e} times the last one's: the signal {} on its way. Use tanh or relu with \"init\":\"auto\", or \
             normalisation between the layers.",
            if ratio < 1.0 { "dies" } else { "explodes" }
        )
    })
}

/// What two short runs reached, with and without the inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputIndependent {
    /// Failed where the inputs make no difference.
    pub verdict: Verdict,
    /// Steps of each run.
    pub steps: u64,
    /// The loss over the last quarter of the steps of the network that sees its inputs.
    pub seeing_loss: Option<f64>,
    /// And of the one whose inputs are all 0.
    pub blind_loss: Option<f64>,
    /// Both by step, each a running mean.
    pub curve: BlindCurve,
    /// What it means and what to do.
    pub advice: String,
}

/// Two losses by step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BlindCurve {
    /// Steps completed.
    pub step: Vec<u64>,
    /// With the inputs; a number that is not finite is `null`.
    pub seeing: Vec<Option<f64>>,
    /// Without.
    pub blind: Vec<Option<f64>>,
}

/// Share of the smoothed loss that is kept from step to step, in the curve alone.
const SMOOTHING: f64 = 0.9;
/// Steps between two points of the curve.
const STRIDE: usize = 2;

fn smoothed(losses: &[f64]) -> Vec<Option<f64>> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let values: Vec<Option<f64>> = losses
        .iter()
        .map(|loss| {
            (sum, weight) = (SMOOTHING * sum + loss, SMOOTHING * weight + 1.0);
            Some(sum / weight).filter(|value| value.is_finite())
        })
        .collect();
    values.into_iter().step_by(STRIDE).collect()
}

/// Trains twice for a short while, once with all inputs at 0 and no words.
pub fn check_input_independent(
    architecture: &Architecture,
    optimizer: &Optimizer,
    penalties: &Penalties,
    batch_rows: usize,
    seed: u64,
    examples: &Examples<f64>,
    stopped: &dyn Fn() -> bool,
) -> InputIndependent {
    let mut blind = examples.clone();
    blind.dense.fill(0.0);
    blind.tokens.iter_mut().for_each(|column| column.ids.fill(0));
    let run = |examples: &Examples<f64>| -> Vec<f64> {
        let mut run = ShortRun::new(architecture, *optimizer, penalties, batch_rows, seed, examples);
        (0..STEPS).take_while(|_| !stopped()).map(|_| run.step(optimizer.learning_rate)).collect()
    };
    let reached = |losses: &[f64]| {
        let end = losses.get(losses.len() * 3 / 4..).filter(|end| !end.is_empty())?;
        Some(end.iter().sum::<f64>() / end.len() as f64).filter(|loss| loss.is_finite())
    };
    let possible = steps_one_by_one(optimizer) && examples.rows > 0;
    let (seeing, blind) = if possible { (run(examples), run(&blind)) } else { (Vec::new(), Vec::new()) };
    let (seeing_loss, blind_loss) = (reached(&seeing), reached(&blind));
    let curve = BlindCurve {
        step: (0..seeing.len() as u64).step_by(STRIDE).collect(),
        seeing: smoothed(&seeing),
        blind: smoothed(&blind),
    };
    let (verdict, advice) = match (seeing_loss, blind_loss) {
        (Some(seeing), Some(blind)) if seeing < GAIN * blind => (
            Verdict::Passed,
            format!("Inputs help: after {STEPS} steps the loss is {seeing:.3} with them and {blind:.3} without."),
        ),
        (Some(seeing), Some(blind)) => (
            Verdict::Failed,
            format!(
                "The network learns no more with its inputs ({seeing:.3}) than without ({blind:.3}): the learning rate is far off, the inputs are not scaled, or they \
                 do not tell anything about the target."
            ),
        ),
        (None, Some(_)) => (Verdict::Failed, "Training blew up: lower the learning rate.".to_owned()),
        _ => (Verdict::Unchecked, "This optimizer takes no steps one by one.".to_owned()),
    };
    InputIndependent { verdict, steps: STEPS, seeing_loss, blind_loss, curve, advice }
}
