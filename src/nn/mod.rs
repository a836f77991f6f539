//! The mathematics of feed-forward networks. No HTTP, SQL, files, clock or wire format.

pub mod activation;
mod activity;
pub mod architecture;
pub mod batch;
pub mod check;
pub mod clipping;
mod dropout;
pub mod embedding;
#[cfg(any(test, debug_assertions))]
pub(crate) mod fault;
pub mod head;
pub mod init;
mod layer;
pub mod layout;
mod network;
mod norm;
pub mod optimizer;
mod pass;
mod penalty;
pub mod schedule;
mod sparsity;
mod task_gradients;
mod workspace;

pub use activation::Activation;
pub use activity::{Activity, activity};
pub use architecture::{
    Architecture, EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Pooling, Sparsity, TokenInput,
};
pub use batch::{Batch, MISSING_CLASS, Targets, Tokens};
pub use dropout::Noise;
pub use head::TaskLoss;
pub use init::{InitKind, WeightInit};
pub use layout::{Layout, Role, Segment};
pub use network::Network;
pub use optimizer::Optimizer;
pub use pass::BatchLoss;
pub use penalty::Penalties;
pub use schedule::Schedule;
pub use task_gradients::{TaskGradients, task_gradients};
pub use workspace::{LayerView, NonFinite, TensorKind, Workspace, first_non_finite};
