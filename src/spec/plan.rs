//! From what is meant to what is done: the plans of the other rooms, made of a resolved spec and, where the numbers come from the
//! data, of the encoder that was fitted on the training part.

use super::layers::Layer;
use super::optimizers;
use super::resolved::{OutputBias, ResolvedSpec};
use super::schedules::{self, Length};
use super::split::{FoldBy, Folds, Method, Split};
use super::targets::{ClassWeight, Target, TargetType};
use super::training::{self, BatchSize, Clipping, Every, Sparsity, higher_is_better};
use super::{activations, catalogue::Chosen, inits};
use crate::data::encoder::{self, EncoderPlan, FittedTarget, InputPlan, TablePlan, TargetKind, TargetPlan};
use crate::data::{Encoder, Fold, SplitMethod, SplitPlan};
use crate::nn;
use crate::nn::optimizer::Sparse;
use crate::train;

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
                    buckets: table.buckets.map(|buckets| buckets as usize),
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
            Method::Group { column } => SplitMethod::Group { column: column.clone() },
        };
        let together = match &self.split {
            Split::Shares { together, .. }
            | Split::Datasets { together, .. }
            | Split::Folds(Folds { by: FoldBy::Method { together, .. }, .. }) => *together,
            _ => false,
        };
        let (method, validation, test) = match &self.split {
            Split::Off => (SplitMethod::All, 0.0, 0.0),
            Split::Shares { validation, test, method, .. } => (by(method), *validation, *test),
            Split::Datasets { validation, test, .. } if validation.share() + test.share() == 0.0 => {
                (SplitMethod::All, 0.0, 0.0)
            }
            Split::Datasets { validation, test, method, .. } => (by(method), validation.share(), test.share()),
            Split::Column { column, .. } => (SplitMethod::Column { column: column.clone() }, 0.0, 0.0),
            Split::Group { column, validation, test } => {
                (SplitMethod::Group { column: column.clone() }, *validation, *test)
            }
            Split::Folds(Folds { by: FoldBy::Method { method, .. }, test, .. }) => (by(method), 0.0, *test),
            Split::Folds(Folds { by: FoldBy::Group(column), test, .. }) => {
                (SplitMethod::Group { column: column.clone() }, 0.0, *test)
            }
        };
        let fold = match &self.split {
            // A job that stands for all folds looks at the first where it looks at data itself.
            Split::Folds(Folds { folds, fold, .. }) => {
                Some(Fold { number: fold.unwrap_or(1).saturating_sub(1) as usize, of: *folds as usize })
            }
            _ => None,
        };
        let targets = self.targets.iter().flat_map(|target| target.columns.iter().cloned()).collect();
        SplitPlan { method, validation, test, targets, together, fold }
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

    /// The whole run, for data encoded by `encoder` of which `training_rows` train.
    pub fn plan(&self, encoder: &Encoder, training_rows: usize) -> train::Plan {
        let architecture = self.architecture(encoder);
        let schedule = self.nn_schedule(training_rows as u64);
        let mut optimizer = optimizers::build(&self.optimizer);
        if schedule.cycles_momentum() {
            optimizer = optimizer.with_cycled_momentum();
        }
        let sparse = encoder.tables().iter().map(|vocabulary| {
            let table = self.inputs.tables.iter().find(|table| table.name == vocabulary.name());
            if table.is_some_and(|table| table.lazy) { Sparse::Lazy } else { Sparse::Exact }
        });
        let units = encoder.targets().iter().map(|target| match target.kind {
            TargetKind::Regression { standardize: true } => train::OwnUnit { mean: target.mean, std: target.std },
            _ => train::OwnUnit::default(),
        });
        let watched = |metric: &str, maximise| train::Monitor { metric: metric.to_owned(), maximise };
        train::Plan {
            units: units.collect(),
            sparse: sparse.collect(),
            architecture,
            optimizer,
            schedule,
            regularization: train::Regularization {
                l1: self.regularization.l1,
                l1_proximal: self.regularization.l1_proximal,
                l2: self.regularization.l2,
                max_norm: self.regularization.max_norm,
            },
            clipping: self.clipping.map(|clipping| match clipping {
                Clipping::Norm(limit) => nn::clipping::Clipping::Norm(limit),
                Clipping::Value(limit) => nn::clipping::Clipping::Value(limit),
            }),
            batching: match (&self.batches, self.batch_size) {
                (Some(batches), _) => train::Batching::Given(batches.clone()),
                (None, BatchSize::Full) => train::Batching::Full,
                (None, BatchSize::Rows(size)) => {
                    train::Batching::Rows { size: (size as usize).min(training_rows.max(1)), shuffle: self.shuffle }
                }
            },
            task_sampling: match self.task_sampling {
                "proportional" => train::TaskSampling::Proportional,
                "uniform" => train::TaskSampling::Uniform,
                _ => train::TaskSampling::Joint,
            },
            epochs: self.epochs,
            seed: self.seed,
            precision: if self.is_f64() { train::Precision::F64 } else { train::Precision::F32 },
            threads: self.threads,
            best: self.split.has_validation().then(|| watched("val_loss", false)),
            early_stopping: self.early_stopping.as_ref().map(|stopping| train::EarlyStopping {
                monitor: watched(&stopping.monitor, stopping.maximise),
                patience: stopping.patience,
                min_delta: stopping.min_delta,
                start_epoch: stopping.start_epoch,
                restore_best: stopping.restore_best,
            }),
            target: self.stop_at.as_ref().map(|at| train::TargetValue {
                monitor: watched(&at.metric, higher_is_better(&at.metric)),
                value: at.value,
            }),
            checkpoints: match self.checkpoint_every {
                Every::Auto => train::Every::Auto,
                Every::Epochs(n) => train::Every::Epochs(n),
                Every::Steps(n) => train::Every::Steps(n),
            },
            record: train::Record {
                step_metrics: switch(self.step_metrics),
                layer_statistics: switch(self.layer_statistics),
            },
            encoder: encoder.to_json(),
        }
    }

    /// The schedule of a run on so many rows.
    pub(super) fn nn_schedule(&self, training_rows: u64) -> nn::schedule::Schedule {
        let length = Length { steps_per_epoch: self.steps_per_epoch(training_rows), epochs: self.epochs };
        schedules::build(&self.schedule, length, self.split.has_validation())
    }

    /// Steps of an epoch over so many rows.
    pub(super) fn steps_per_epoch(&self, training_rows: u64) -> u64 {
        let steps = match (&self.batches, self.batch_size) {
            (Some(batches), _) => batches.len() as u64,
            (None, BatchSize::Full) => 1,
            // A last batch of one row joins the one before where batch normalisation needs two.
            (None, BatchSize::Rows(rows)) if self.has_batch_normalization() && training_rows % rows.max(1) == 1 => {
                training_rows / rows.max(1)
            }
            (None, BatchSize::Rows(rows)) => training_rows.div_ceil(rows.max(1)),
        };
        steps.max(1)
    }

    fn has_batch_normalization(&self) -> bool {
        let layers = self.hidden_layers.iter().chain(self.targets.iter().flat_map(|target| &target.hidden_layers));
        layers.into_iter().any(|layer| layer.normalization == "batch")
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

fn switch(switch: training::Switch) -> train::Switch {
    match switch {
        training::Switch::Auto => train::Switch::Auto,
        training::Switch::On => train::Switch::On,
        training::Switch::Off => train::Switch::Off,
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
