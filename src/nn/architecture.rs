//! The structure of a network: inputs, shared hidden layers, heads. Plain values that `spec` makes and `Network` believes.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::init::WeightInit;

/// A feed-forward network: dense features and embedded tokens, joined, through shared hidden layers into one head for each task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Width of the dense input.
    pub features: usize,
    /// Probability that an element of the joined input is dropped in training.
    pub input_dropout: f64,
    /// Standard deviation of the normal noise added to the dense features in training.
    pub input_noise: f64,
    /// Embedding tables; several inputs may look into one.
    pub tables: Vec<EmbeddingTable>,
    /// Inputs that look into a table, in the order in which they are joined behind the dense features.
    pub tokens: Vec<TokenInput>,
    /// Hidden layers that all heads share.
    pub hidden: Vec<HiddenLayer>,
    /// One head for each task.
    pub heads: Vec<Head>,
    /// Penalty on the activity of the shared hidden layers.
    pub activation_sparsity: Option<Sparsity>,
}

/// A table of word or category vectors, `[rows, dim]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingTable {
    /// Its name: the tensor is `embedding.NAME.weight`.
    pub name: String,
    /// Number of vectors.
    pub rows: usize,
    /// Length of a vector.
    pub dim: usize,
    /// How the vectors start.
    pub init: WeightInit,
}

/// An input made of tokens that look into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInput {
    /// Index into [`Architecture::tables`].
    pub table: usize,
    /// What becomes of the rows.
    pub pooling: Pooling,
}

/// How the vectors of one input become a part of the joined input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// One token, one vector: `dim` wide.
    Single,
    /// Exactly `length` tokens side by side: `length * dim` wide.
    Window {
        /// Tokens of each row.
        length: usize,
    },
    /// The sum over any number of tokens; an empty bag gives zeros.
    Sum,
    /// The mean over any number of tokens; an empty bag gives zeros.
    Mean,
}

/// A dense layer: product, bias, normalisation, activation, dropout, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HiddenLayer {
    /// Outputs.
    pub units: usize,
    /// Nonlinearity.
    pub activation: Activation,
    /// Probability that an output is dropped in training; the rest is divided by 1 - p.
    pub dropout: f64,
    /// Normalisation between product and activation.
    pub normalization: Normalization,
    /// How the weights start.
    pub init: WeightInit,
    /// Where the biases start.
    pub bias: f64,
}

/// Normalisation of a layer's pre-activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// None.
    #[default]
    None,
    /// Over the rows of the batch for each unit; running statistics in inference. The layer has no bias of its own.
    Batch,
    /// Over the units of each row.
    Layer,
}

/// A task's own layers, output and loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The task's name: the tensors are `head.NAME.weight`, ….
    pub name: String,
    /// Layers of this task alone.
    pub hidden: Vec<HiddenLayer>,
    /// Outputs: classes, labels, or 1.
    pub outputs: usize,
    /// Output and loss as one idea.
    pub loss: Loss,
    /// Factor of this task's loss in the sum.
    pub weight: f64,
    /// Weight of each class (softmax cross-entropy); the mean is over the weights.
    pub class_weights: Option<Vec<f64>>,
    /// How the output weights start.
    pub init: WeightInit,
    /// Where the output biases start, `outputs` numbers.
    pub output_bias: Vec<f64>,
}

/// Output and loss as one idea; means are over the labelled rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax and cross-entropy over the outputs.
    CrossEntropy {
        /// Share of the target spread evenly over the classes.
        label_smoothing: f64,
    },
    /// Sigmoid and cross-entropy for each output; one output is a binary task, more are a multilabel task.
    BinaryCrossEntropy {
        /// Factor of the positive term.
        pos_weight: f64,
    },
    /// Squared error.
    Mse {
        /// Half the squared error, as scikit-learn has it.
        half: bool,
    },
    /// Absolute error.
    Mae,
    /// Quadratic up to `delta`, linear beyond.
    Huber {
        /// Where it turns linear.
        delta: f64,
    },
    /// Poisson with a log link: the output is ln of the expected count.
    Poisson,
}

/// A penalty on the activity of hidden units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sparsity {
    /// `weight` times the mean absolute activation.
    L1 {
        /// Factor.
        weight: f64,
    },
    /// `weight` times the divergence of each unit's mean activation from `target`; sigmoid and tanh only.
    Kl {
        /// Wanted mean activation, in (0, 1).
        target: f64,
        /// Factor.
        weight: f64,
    },
}
