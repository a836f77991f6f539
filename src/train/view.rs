//! Examples as the batches that a network eats: borrowed, without copying, and without allocating again and again.

use std::ops::Range;

use crate::data::{Examples, TargetColumn};
use crate::nn::{Batch, Targets, Tokens};
use crate::num::Real;

/// The memory of a batch's two short lists, used again from batch to batch.
#[derive(Debug)]
pub(super) struct Lists<T: 'static> {
    tokens: Vec<Tokens<'static>>,
    targets: Vec<Targets<'static, T>>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Lists { tokens: Vec::new(), targets: Vec::new() }
    }
}

/// An empty list of another type in the memory of `list`: `collect` works in place where sizes agree.
fn reuse<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    list.into_iter().map(|_| -> B { unreachable!("the list is empty") }).collect()
}

impl<T: Real> Lists<T> {
    /// Calls `work` with some examples in a row as a batch; without targets where they are not wanted.
    pub fn with_batch<R>(
        &mut self,
        examples: &Examples<T>,
        range: Range<usize>,
        with_targets: bool,
        work: impl FnOnce(&Batch<'_, T>) -> R,
    ) -> R {
        let mut tokens: Vec<Tokens<'_>> = reuse(std::mem::take(&mut self.tokens));
        tokens.extend(
            examples
                .tokens
                .iter()
                .map(|column| Tokens { offsets: &column.offsets[range.start..=range.end], ids: &column.ids }),
        );
        let mut targets: Vec<Targets<'_, T>> = reuse(std::mem::take(&mut self.targets));
        if with_targets {
            targets.extend(examples.targets.iter().map(|column| match column {
                TargetColumn::Classes(classes) => Targets::Classes(&classes[range.clone()]),
                TargetColumn::Values { width, values } => {
                    Targets::Values(&values[range.start * width..range.end * width])
                }
                TargetColumn::Distribution { width, values } => {
                    Targets::Distribution(&values[range.start * width..range.end * width])
                }
            }));
        }
        let batch = Batch {
            rows: range.len(),
            features: &examples.dense[range.start * examples.features..range.end * examples.features],
            tokens: &tokens,
            targets: &targets,
            weights: examples.weights.as_ref().map(|weights| &weights[range.clone()]),
        };
        let result = work(&batch);
        self.tokens = reuse(tokens);
        self.targets = reuse(targets);
        result
    }
}
