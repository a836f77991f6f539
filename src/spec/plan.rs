//! From what is meant to what is done: the plans of the other rooms, made of a resolved spec and, where the numbers come from the
//! data, of the encoder that was fitted on the training part.

use super::layers::Layer;
use super::resolved::{OutputBias, ResolvedSpec};
use super::split::{Method, Split};
use super::targets::{ClassWeight, Target, TargetType};
use super::training::Sparsity;
use super::{activations, catalogue::Chosen, inits};
use crate::data::encoder::{self, EncoderPlan, FittedTarget, InputPlan, TablePlan, TargetKind, TargetPlan};
use crate::data::{Encoder, SplitMethod, SplitPlan};
use crate::nn;

impl ResolvedSpec {
    /// How columns become numbers. The words of uploaded vectors ([`ResolvedSpec::vectors`]) are the caller's to add.
    pub fn encoder_plan(&self) -> EncoderPlan {
        EncoderPlan {
            inputs: self
                .inputs
                .columns
                .iter()
                .map(|input| InputPlan { column: input.column.clone(), encoding: input.encoding.clone() })
                .collect(),
            tables: self
                .inputs
                .tables
                .iter()
                .map(|table| TablePlan {
                    name: table.name.clone(),
                    vocabulary: Some(table.vocabulary as usize),
                    min_count: table.min_count,
                    lowercase: table.lowercase,
                    words: Vec::new(),
                })
                .collect(),
            targets: self.targets.iter().map(target_plan).collect(),
            sample_weight: self.sample_weight.clone(),
        }
    }

    /// The embedding tables that start from uploaded vectors: name of the table, id of the weights.
    pub fn vectors(&self) -> Vec<(&str, &str)> {
        self.inputs.tables.iter().filter_map(|table| Some((table.name.as_str(), table.vectors.as_deref()?))).collect()
    }

    /// How rows are divided into parts.
    pub fn split_plan(&self) -> SplitPlan {
        let by = |method: &Method| match method {
            Method::Stratified { by } => SplitMethod::Stratified { by: by.clone() },
            Method::Random => SplitMethod::Random,
            Method::Sequential => SplitMethod::Sequential,
        };
        let (method, validation, test) = match &self.split {
            Split::Off => (SplitMethod::All, 0.0, 0.0),
            Split::Shares { validation, test, method } => (by(method), *validation, *test),
            Split::Dataset { test, .. } if *test == 0.0 => (SplitMethod::All, 0.0, 0.0),
            Split::Dataset { test, method, .. } => (by(method), 0.0, *test),
            Split::Column { column, .. } => (SplitMethod::Column { column: column.clone() }, 0.0, 0.0),
            Split::Group { column, validation, test } => {
                (SplitMethod::Group { column: column.clone() }, *validation, *test)
            }
            // The parts of a fold are chosen by whoever starts it.
            Split::Folds { folds, method } => (by(method), 1.0 / *folds as f64, 0.0),
        };
        let targets = self.targets.iter().flat_map(|target| target.columns.iter().cloned()).collect();
        SplitPlan { method, validation, test, targets }
    }

    /// The network, for data encoded by `encoder`.
    pub fn architecture(&self, encoder: &Encoder) -> nn::Architecture {
        let tables = encoder.tables().iter().map(|vocabulary| {
            let table = self.inputs.tables.iter().find(|table| table.name == vocabulary.name());
            nn::EmbeddingTable {
                name: vocabulary.name().to_owned(),
                rows: vocabulary.rows(),
                dim: table.map_or(1, |table| table.dim as usize),
                init: table.map_or_else(nn::WeightInit::default, |table| table.init.build()),
            }
        });
        let tokens = encoder.tokens().into_iter().map(|input| nn::TokenInput {
            table: input.table,
            pooling: match input.pooling {
                encoder::Pooling::Single => nn::Pooling::Single,
                encoder::Pooling::Window { length } => nn::Pooling::Window { length },
                encoder::Pooling::Sum => nn::Pooling::Sum,
                encoder::Pooling::Mean => nn::Pooling::Mean,
            },
        });
        nn::Architecture {
            features: encoder.features(),
            input_dropout: self.inputs.dropout,
            input_noise: self.regularization.input_noise,
            tables: tables.collect(),
            tokens: tokens.collect(),
            hidden: self.hidden_layers.iter().map(hidden_layer).collect(),
            heads: self
                .targets
                .iter()
                .zip(encoder.targets())
                .map(|(target, fitted)| self.head(target, fitted))
                .collect(),
            activation_sparsity: self.regularization.sparsity.map(|sparsity| match sparsity {
                Sparsity::L1 { weight } => nn::Sparsity::L1 { weight },
                Sparsity::Kl { target, weight } => nn::Sparsity::Kl { target, weight },
            }),
        }
    }

    /// The penalties of `regularization`.
    pub fn penalties(&self) -> nn::Penalties {
        let l1 = if self.regularization.l1_proximal { 0.0 } else { self.regularization.l1 };
        nn::Penalties { l1, l2: self.regularization.l2 }
    }

    fn head(&self, target: &Target, fitted: &FittedTarget) -> nn::Head {
        let class_weights = class_weights(target, fitted);
        let mut loss = target.loss.build();
        if let nn::Loss::BinaryCrossEntropy { pos_weight } = &mut loss
            && target.loss.values.word("pos_weight") == "balanced"
        {
            let (no, yes) = binary_counts(fitted, 0);
            *pos_weight = if yes > 0.0 { no / yes } else { 1.0 };
        }
        let output_bias = match self.output_bias {
            OutputBias::Number(x) => vec![x; fitted.outputs()],
            OutputBias::Prior => prior(&loss, class_weights.as_deref(), fitted),
        };
        let mut init = target.init.build();
        if let nn::InitKind::Sklearn { logistic } = &mut init.kind {
            *logistic = self.hidden_layers.iter().any(|layer| layer.activation.name() == "sigmoid");
        }
        nn::Head {
            name: target.name.clone(),
            hidden: target.hidden_layers.iter().map(hidden_layer).collect(),
            outputs: fitted.outputs(),
            loss,
            weight: target.weight,
            class_weights,
            init,
            output_bias,
        }
    }
}

fn target_plan(target: &Target) -> TargetPlan {
    let kind = match target.kind {
        TargetType::Classification => TargetKind::Classification,
        TargetType::Binary => TargetKind::Binary,
        TargetType::Regression => TargetKind::Regression { standardize: target.standardize },
        TargetType::Multilabel => TargetKind::Multilabel,
        TargetType::Distribution => TargetKind::Distribution,
    };
    TargetPlan { name: target.name.clone(), columns: target.columns.clone(), kind }
}

fn hidden_layer(layer: &Layer) -> nn::HiddenLayer {
    nn::HiddenLayer {
        units: layer.units as usize,
        activation: layer.activation.build(),
        dropout: layer.dropout,
        normalization: match layer.normalization {
            "batch" => nn::Normalization::Batch,
            "layer" => nn::Normalization::Layer,
            _ => nn::Normalization::None,
        },
        init: weight_init(&layer.init, &layer.activation),
        bias: layer.bias,
    }
}

/// The initialisation with what it takes from the layer's activation.
fn weight_init(init: &Chosen<inits::Built>, activation: &Chosen<activations::Built>) -> nn::WeightInit {
    let mut init = init.build();
    match (&mut init.kind, activation.build()) {
        (
            nn::InitKind::HeUniform { alpha } | nn::InitKind::HeNormal { alpha },
            nn::Activation::LeakyRelu { alpha: slope },
        ) => {
            *alpha = slope;
        }
        (nn::InitKind::Sklearn { logistic }, nn::Activation::Sigmoid) => *logistic = true,
        _ => {}
    }
    init
}

/// The weight of each class in the order of the classes.
fn class_weights(target: &Target, fitted: &FittedTarget) -> Option<Vec<f64>> {
    match &target.class_weight {
        ClassWeight::Even => None,
        ClassWeight::Balanced => {
            let n: u64 = fitted.class_counts.iter().sum();
            let classes = fitted.class_counts.len() as f64;
            // A class that the training part lacks has no row to weigh.
            let weight = |count: &u64| if *count == 0 { 1.0 } else { n as f64 / (classes * *count as f64) };
            Some(fitted.class_counts.iter().map(weight).collect())
        }
        ClassWeight::Given(given) => {
            let weight =
                |label: &String| given.iter().find(|(known, _)| known == label).map_or(1.0, |(_, weight)| *weight);
            Some(fitted.classes.iter().map(weight).collect())
        }
    }
}

/// Rows of the training part that say no and yes; a class without rows counts half a row, so that its logarithm is finite.
fn binary_counts(fitted: &FittedTarget, label: usize) -> (f64, f64) {
    let (no, yes) = if fitted.kind == TargetKind::Binary {
        (fitted.class_counts.first().copied().unwrap_or(0), fitted.class_counts.get(1).copied().unwrap_or(0))
    } else {
        let yes = fitted.class_counts.get(label).copied().unwrap_or(0);
        (fitted.labelled.saturating_sub(yes), yes)
    };
    ((no as f64).max(0.5), (yes as f64).max(0.5))
}

/// Output biases with which a network whose other output weights were 0 would predict the training part's shares or mean: the
/// first steps are not spent on learning them (CS224d; Karpathy, "A recipe for training neural networks").
fn prior(loss: &nn::Loss, class_weights: Option<&[f64]>, fitted: &FittedTarget) -> Vec<f64> {
    let weight = |class: usize| class_weights.and_then(|weights| weights.get(class)).copied().unwrap_or(1.0);
    match loss {
        nn::Loss::CrossEntropy { .. } => {
            let counts = fitted.class_counts.iter().enumerate();
            let weighted: Vec<f64> =
                counts.map(|(class, count)| (*count as f64).max(0.5) * weight(class).max(1e-6)).collect();
            let total: f64 = weighted.iter().sum();
            weighted.iter().map(|count| (count / total).ln()).collect()
        }
        nn::Loss::BinaryCrossEntropy { pos_weight } => (0..fitted.outputs())
            .map(|label| {
                let (no, yes) = binary_counts(fitted, label);
                (yes * weight(1).max(1e-6) * pos_weight / (no * weight(0).max(1e-6))).ln()
            })
            .collect(),
        nn::Loss::Poisson => vec![fitted.mean.max(1e-6).ln()],
        nn::Loss::Mse { .. } | nn::Loss::Mae | nn::Loss::Huber { .. } => match fitted.kind {
            TargetKind::Regression { standardize: true } => vec![0.0],
            _ => vec![fitted.mean],
        },
    }
}
