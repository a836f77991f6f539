//! What a run leaves behind: checkpoints, its end, and its last finite state when it diverges.

use super::Run;
use crate::nn::{TensorKind, first_non_finite};
use crate::num::{Real, reduce};
use crate::train::checkpoint::{Contents, RunState, Saved, encode};
use crate::train::fit::{Divergence, Failure, Outcome};
use crate::train::observer::{CheckpointSet, StopReason};

impl<T: Real> Run<'_, T> {
    pub(super) fn finish(mut self, reason: StopReason) -> Result<Outcome, Failure> {
        if reason.is_done() && self.step_in_epoch > 0 {
            self.append_test_of_last()?;
        }
        let mut set = self.checkpoint_set()?;
        if reason.is_done() && !self.restores_best() {
            set.best = set.last.clone();
        }
        Ok(Outcome { reason, at: self.at, best: self.best, last: self.last, set })
    }

    /// The state as it is, and the best weights if they are new.
    pub(super) fn checkpoint_set(&mut self) -> Result<CheckpointSet, Failure> {
        if !reduce::all_finite(&self.parameters) {
            return Err(self.diverge());
        }
        let monitored = self.tracker.as_ref().map_or("loss", |tracker| &tracker.monitor.metric);
        let metric = self.last.iter().find(|(name, _)| name == monitored).cloned();
        let run = RunState {
            method: self.optimizer.method.name().to_owned(),
            opened: self.opened,
            step_in_epoch: self.step_in_epoch,
            rows: self.at.rows,
            tracker: self.tracker.as_ref().map(|tracker| tracker.state),
            plateau: self.plateau,
            best: self.best.clone().filter(|best| best.value.is_finite()),
            sums: self.sums.to_numbers(),
            scalars: self.state.scalars.clone(),
            last_names: self.last.iter().map(|(name, _)| name.clone()).collect(),
            last_values: self.last.iter().map(|(_, value)| *value).collect(),
        };
        let contents = Contents {
            epoch: self.at.epoch,
            step: self.at.step,
            metric,
            parameters: &self.parameters,
            buffers: &self.buffers,
            state: Some((run, &self.state)),
        };
        let last = encode(self.plan, contents);
        let best = match &self.best {
            Some(best) if best.step == self.at.step && (self.tracker.is_none() || self.best_is_new) => {
                Some(last.clone())
            }
            Some(_) if self.best_is_new => self.best_saved(),
            _ => None,
        };
        self.best_is_new = false;
        Ok(CheckpointSet { last: Some(last), best })
    }

    /// The best weights as a checkpoint without state.
    fn best_saved(&self) -> Option<Saved> {
        let (best, weights) = (self.best.as_ref()?, self.best_weights.as_deref()?);
        Some(encode(
            self.plan,
            Contents {
                epoch: best.epoch,
                step: best.step,
                metric: Some((best.metric.clone(), best.value)),
                parameters: &weights.0,
                buffers: &weights.1,
                state: None,
            },
        ))
    }

    /// Says where the run diverged, after giving the observer the last finite state.
    pub(super) fn diverge(&mut self) -> Failure {
        let examples = &self.batch.examples;
        let found = first_non_finite(&self.network, &self.parameters, &examples.dense, &self.space, &self.gradient);
        let (tensor, kind, rows) = match found {
            Some(found) => (found.tensor, kind_name(found.kind), found.rows),
            None => ("the network".to_owned(), "gradient", Vec::new()),
        };
        let rows = if rows.is_empty() {
            examples.row_ids.clone()
        } else {
            rows.iter().filter_map(|row| examples.row_ids.get(*row).copied()).collect()
        };
        let (epoch, step) = (self.at.epoch, self.at.step + 1);
        if reduce::all_finite(&self.parameters) {
            // The pass that diverged may have spoilt the running statistics.
            self.buffers.copy_from_slice(&self.buffers_before);
            if let Ok(set) = self.checkpoint_set()
                && let Err(error) = self.observer.checkpoint(set)
            {
                return error.into();
            }
        } else if self.best_is_new {
            let set = CheckpointSet { last: None, best: self.best_saved() };
            if let Err(error) = self.observer.checkpoint(set) {
                return error.into();
            }
        }
        Failure::Diverged(Divergence { tensor, kind, epoch, step, rows })
    }
}

fn kind_name(kind: TensorKind) -> &'static str {
    match kind {
        TensorKind::Input => "input",
        TensorKind::PreActivation => "pre_activation",
        TensorKind::Activation => "activation",
        TensorKind::Output => "output",
        TensorKind::Loss => "loss",
        TensorKind::Gradient => "gradient",
        TensorKind::Parameter => "parameter",
    }
}
