//! Hidden layers: of the trunk and of each target's own head.

use serde_json::{Value, json};

use super::activations;
use super::catalogue::{Chosen, Entry, Read, choose, real};
use super::inits;
use super::read::{At, Range};

/// How the activations of a layer are normalised, by their names on the wire.
pub(super) const NORMALIZATIONS: [&str; 3] = ["none", "batch", "layer"];

/// One hidden layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Where the request names it, for faults.
    pub(super) pointer: String,
    pub(super) units: u64,
    pub(super) activation: Chosen<activations::Built>,
    pub(super) dropout: f64,
    pub(super) normalization: &'static str,
    pub(super) init: Chosen<inits::Built>,
    pub(super) bias: f64,
}

/// What a layer is where it does not say.
#[derive(Clone, Debug)]
pub(super) struct LayerDefaults {
    pub(super) activation: Chosen<activations::Built>,
    pub(super) dropout: f64,
    pub(super) weights: Weights,
    pub(super) bias: f64,
}

/// How weights start: as fits the activation, or as the client says.
#[derive(Clone, Debug)]
pub(super) enum Weights {
    Auto,
    Chosen { init: Chosen<inits::Built>, gain_written: bool },
}

impl Weights {
    /// Reads `"auto"`, a name or an object.
    pub(super) fn read(at: &At<'_>) -> Weights {
        if at.value.as_str() == Some("auto") {
            return Weights::Auto;
        }
        let Read { chosen, written, .. } = choose(at, "an initialisation", &inits::TABLE, &inits::TABLE[0], &[]);
        Weights::Chosen { init: chosen, gain_written: written.contains(&"gain") }
    }

    /// The initialisation of a hidden layer with this activation.
    pub(super) fn hidden(&self, activation: &Chosen<activations::Built>) -> Chosen<inits::Built> {
        match self {
            Weights::Auto => with_gain(named(activations::fitting_init(activation.name())), activation),
            Weights::Chosen { init, gain_written: true } => init.clone(),
            Weights::Chosen { init, gain_written: false } => with_gain(init.clone(), activation),
        }
    }

    /// The initialisation of an output layer: gain 1 unless the client wrote one.
    pub(super) fn output(&self) -> Chosen<inits::Built> {
        match self {
            Weights::Auto => named("glorot_uniform"),
            Weights::Chosen { init, .. } => init.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Weights::Auto => "auto".into(),
            // Without a written gain it fits each layer's activation; shown as the bare name it stays so.
            Weights::Chosen { init, gain_written: false } if init.values.get("gain").is_some() => init.name().into(),
            Weights::Chosen { init, .. } => init.to_json(),
        }
    }
}

fn named(name: &str) -> Chosen<inits::Built> {
    let entry: &'static Entry<inits::Built> =
        inits::TABLE.iter().find(|entry| entry.name == name).unwrap_or(&inits::TABLE[0]);
    Chosen::preset(entry)
}

fn with_gain(mut init: Chosen<inits::Built>, activation: &Chosen<activations::Built>) -> Chosen<inits::Built> {
    init.set("gain", real(activations::fitting_gain(activation.name(), init.name())));
    init
}

/// Reads an activation, with a word for those who ask for softmax.
pub(super) fn activation(at: &At<'_>) -> Chosen<activations::Built> {
    let name = at.value.as_str().or_else(|| at.value.get("type").and_then(Value::as_str));
    if name == Some("softmax") {
        at.fault(
            "softmax is no activation of a hidden layer: it makes the units compete and their sum constant. It belongs to the \
             output, where the loss \"cross_entropy\" brings it by itself",
        );
        return Chosen::preset(&activations::TABLE[0]);
    }
    choose(at, "an activation", &activations::TABLE, &activations::TABLE[0], &[]).chosen
}

/// Reads a list of layers, each a number of units or an object.
pub(super) fn layers(at: &At<'_>, most: usize, defaults: &LayerDefaults) -> Vec<Layer> {
    let Some(items) = at.items() else { return Vec::new() };
    if items.len() > most {
        at.fault(format!("{} layers; this server admits at most {most}", items.len()));
        return Vec::new();
    }
    items.iter().filter_map(|item| layer(item, defaults)).collect()
}

/// A layer of so many units with everything else at its default.
pub(super) fn plain(units: u64, pointer: String, defaults: &LayerDefaults) -> Layer {
    Layer {
        pointer,
        units,
        activation: defaults.activation.clone(),
        dropout: defaults.dropout,
        normalization: NORMALIZATIONS[0],
        init: defaults.weights.hidden(&defaults.activation),
        bias: defaults.bias,
    }
}

fn layer(at: &At<'_>, defaults: &LayerDefaults) -> Option<Layer> {
    if at.value.is_number() {
        // How many units are too many depends on what they are connected with: `size` says so.
        return Some(plain(at.whole(1, u64::MAX)?, at.pointer.clone(), defaults));
    }
    if !at.value.is_object() {
        at.expected("a number of units or an object with \"units\"");
        return None;
    }
    let mut object = at.object()?;
    let units_at = object.field("units");
    let units = match &units_at {
        Some(units) => units.whole(1, u64::MAX),
        None => {
            at.fault("lacks \"units\"");
            None
        }
    };
    let chosen = object.field("activation").map_or_else(|| defaults.activation.clone(), |at| activation(&at));
    let dropped = object.field("dropout").map_or(Some(defaults.dropout), |at| dropout(&at));
    let normalization = match object.field("normalization") {
        None => NORMALIZATIONS[0],
        Some(at) if at.is_off() => NORMALIZATIONS[0],
        Some(at) => at.word(&NORMALIZATIONS).unwrap_or(NORMALIZATIONS[0]),
    };
    let weights = object.field("init").map_or_else(|| defaults.weights.clone(), |at| Weights::read(&at));
    let bias = object.number("bias", Range::ANY, defaults.bias);
    object.finish();
    let pointer = units_at.map_or_else(|| at.pointer.clone(), |units| units.pointer);
    let init = weights.hidden(&chosen);
    Some(Layer {
        pointer,
        units: units?,
        activation: chosen,
        dropout: dropped.unwrap_or(0.0),
        normalization,
        init,
        bias,
    })
}

/// Reads a share of units to drop; `false` is none.
pub(super) fn dropout(at: &At<'_>) -> Option<f64> {
    if at.is_off() { Some(0.0) } else { at.number(Range::SHARE) }
}

impl Layer {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "units": self.units,
            "activation": self.activation.to_json(),
            "dropout": real(self.dropout),
            "normalization": self.normalization,
            "init": self.init.to_json(),
            "bias": real(self.bias),
        })
    }
}
