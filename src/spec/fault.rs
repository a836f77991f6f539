//! What is wrong with a body: every fault at once, each with the place it stands at. Not the problem document around them: that is `api`.

use serde::Serialize;

/// One fault of a body: where it stands and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the value at fault; the empty pointer is the whole body.
    pub pointer: String,
    /// What is wrong, what was found, and what would be right.
    pub detail: String,
}

/// Something that works but perhaps not as the client expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable word for programs, such as `class_imbalance`.
    pub code: &'static str,
    /// JSON pointer into the resolved spec.
    pub pointer: String,
    /// What happens, why it matters and what to write instead.
    pub detail: String,
}
