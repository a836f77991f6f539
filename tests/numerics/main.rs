//! Numbers are believed against a reference: golden numbers of other frameworks, each beside the script that made them.

mod lbfgs;
mod network;
mod trajectories;
