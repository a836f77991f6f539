//! What a client may ask for, and the proof that it makes sense.
//!
//! [`prove`] turns the JSON that a client sent into a [`ResolvedSpec`], in which every default is filled in, or into every
//! fault at once. It knows neither HTTP nor the store, and reads no data: what it needs of a dataset is its [`Schema`].
//! The names, parameters, defaults and ranges stand in tables (`optimizers`, `schedules`, `losses`, `activations`, `inits`),
//! from which [`capabilities`] is made too: an entry more is a line more.

mod activations;
mod autotrain;
mod capabilities;
mod catalogue;
mod defaults;
mod diagnosis;
mod embeddings;
mod encodings;
mod fault;
mod folds;
mod inits;
mod inputs;
mod layers;
mod limits;
mod losses;
mod missing;
mod optimizers;
mod patch;
mod plan;
mod preview;
mod prove;
mod read;
mod references;
mod resolved;
mod rules;
mod schedules;
mod schema;
mod size;
mod split;
mod targets;
mod training;

pub use autotrain::{AutotrainSpec, autotrain, autotrain_job};
pub use capabilities::capabilities;
pub use diagnosis::{facts, finding_json};
pub use fault::{Fault, Warning};
pub use folds::fold;
pub use limits::Limits;
pub use patch::merge_patch;
pub use preview::preview;
pub use prove::{prove, shape_faults};
pub use references::{Reference, ReferenceKind, references};
pub use resolved::{ResolvedSpec, StopAt};
pub use schema::{Kind, Schema, SchemaColumn, VectorsShape};
pub use training::WarmStart;

#[cfg(test)]
mod tests;
