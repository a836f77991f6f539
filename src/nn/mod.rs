//! The mathematics of feed-forward networks. No HTTP, SQL, files, clock or wire format.

pub mod activation;
pub mod architecture;
pub mod batch;
pub mod init;
pub mod layout;

pub use activation::Activation;
pub use architecture::{
    Architecture, EmbeddingTable, Head, HiddenLayer, Loss, Normalization, Pooling, Sparsity, TokenInput,
};
pub use batch::{Batch, MISSING_CLASS, Targets, Tokens};
pub use init::{InitKind, WeightInit};
pub use layout::{Layout, Role, Segment};
