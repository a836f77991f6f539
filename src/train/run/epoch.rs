//! The end of an epoch: evaluation, plateau, early stopping, report.

use super::layers::Look;
use super::{EpochEnd, Run, stop_of};
use crate::data::Part;
use crate::nn::Noise;
use crate::nn::optimizer::StepInfo;
use crate::nn::schedule::Time;
use crate::num::{Real, reduce};
use crate::train::evaluate::{Sample, add_losses};
use crate::train::fit::Failure;
use crate::train::observer::{Best, EpochReport, Event, StopReason};
use crate::train::tracker::Tracker;

impl<T: Real> Run<'_, T> {
    /// Tells of the untrained network.
    pub(super) fn open(&mut self) -> Result<EpochEnd, Failure> {
        let mut metrics = Vec::new();
        if let Some(reason) = self.evaluate_train()? {
            return Ok(EpochEnd::Interrupted(reason));
        }
        self.meter.append("", &self.losses, &mut metrics);
        if let Some(validation) = &self.data.validation
            && let Some(reason) = self.append_part("val_", validation, &mut metrics)?
        {
            return Ok(EpochEnd::Interrupted(reason));
        }
        if let Some((_, loss)) = metrics.first() {
            metrics.push(("train_eval_loss".into(), *loss));
        }
        metrics.push(("learning_rate".into(), self.learning_rate()));
        self.last = metrics;
        self.look_into_layers(0, false);
        self.report_epoch(false);
        Ok(EpochEnd::Next)
    }

    /// Refreshes `layer_metrics` where a look is due.
    fn look_into_layers(&mut self, epoch: u64, is_last: bool) {
        self.layer_metrics.clear();
        let learning_rate = self.learning_rate();
        let time = self.time();
        let Run { plan, network, optimizer, penalties, parameters, buffers, state, layers, layer_metrics, .. } = self;
        let (space, gradient) = (&mut self.space, self.gradient.as_mut_slice());
        if let Some(probe) = layers.as_mut().filter(|probe| probe.is_due(epoch, is_last)) {
            let noise = Noise { seed: plan.seed, epoch, step: time.step };
            let info = StepInfo { learning_rate, epoch: time.epoch, momentum: plan.schedule.momentum(time) };
            let look =
                Look { plan, network, optimizer, penalties, parameters, buffers, state, space, gradient, noise, info };
            probe.append(look, layer_metrics);
        }
    }

    /// Evaluates, decides, tells.
    pub(super) fn end_epoch(&mut self) -> Result<EpochEnd, Failure> {
        let epoch = self.at.epoch + 1;
        let learning_rate = {
            // The rate that the last step used.
            let time = Time { step: self.at.step.saturating_sub(1), ..self.time() };
            self.plan.schedule.learning_rate(self.plan.optimizer.learning_rate, time, &self.plateau)
        };
        if !reduce::all_finite(&self.parameters) {
            return Err(self.diverge());
        }
        let mut metrics = Vec::with_capacity(16);
        self.meter.append("", &self.sums.tasks, &mut metrics);
        if let Some(validation) = &self.data.validation
            && let Some(reason) = self.append_part("val_", validation, &mut metrics)?
        {
            return Ok(EpochEnd::Interrupted(reason));
        }
        let steps = self.sums.steps.max(1.0);
        let penalty = self.sums.penalty / steps;
        metrics.push(("learning_rate".into(), learning_rate));
        metrics.push(("gradient_norm".into(), self.sums.gradient_norm / steps));
        metrics.push(("penalty".into(), penalty));
        metrics.push(("objective".into(), self.meter.objective(&self.sums.tasks) + penalty));
        if self.plan.clipping.is_some() {
            metrics.push(("clipped_share".into(), self.sums.clipped / steps));
        }
        if let Some(probe) = &mut self.probe {
            let noise = Noise { seed: self.plan.seed, epoch, step: self.at.step };
            let room = (&mut self.space, self.gradient.as_mut_slice());
            probe.append(&self.network, &self.parameters, &self.buffers, noise, room, &mut metrics);
        }
        // Decide on copies: an interruption below must leave the state before the end of the epoch.
        let value_of =
            |name: &str| metrics.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, value)| *value);
        let mut tracker = self.tracker.clone();
        let improved =
            tracker.as_mut().is_none_or(|tracker| tracker.observe(epoch, value_of(&tracker.monitor.metric.clone())));
        let mut plateau = self.plateau;
        let cut = self
            .plan
            .schedule
            .plateau()
            .is_some_and(|rule| plateau.observe(rule, self.plan.optimizer.learning_rate, value_of(&rule.monitor)));
        let reason = if self.plan.target.as_ref().is_some_and(|target| {
            let value = value_of(&target.monitor.metric);
            if target.monitor.maximise { value >= target.value } else { value <= target.value }
        }) {
            Some(StopReason::TargetReached)
        } else if tracker.as_ref().is_some_and(Tracker::is_exhausted) {
            Some(StopReason::EarlyStopping)
        } else {
            (epoch >= self.plan.epochs).then_some(StopReason::EpochsDone)
        };
        let best = improved.then(|| {
            let metric = tracker.as_ref().map_or("loss", |tracker| &tracker.monitor.metric).to_owned();
            Best { epoch, step: self.at.step, value: value_of(&metric), metric }
        });
        if (reason.is_some() || is_evaluation_epoch(epoch, self.plan.epochs))
            && let Some(stop) = self.append_train_evaluation(&mut metrics)?
        {
            return Ok(EpochEnd::Interrupted(stop));
        }
        // From here on nothing interrupts.
        let before = self.learning_rate();
        (self.tracker, self.plateau) = (tracker, plateau);
        if let Some(best) = best {
            self.best = Some(best);
            if self.tracker.is_some() {
                self.keep_best();
            }
        }
        self.at.epoch = epoch;
        self.step_in_epoch = 0;
        self.sums.clear();
        if reason.is_some() {
            self.append_test(&mut metrics)?;
        }
        self.last = metrics;
        self.look_into_layers(epoch, reason.is_some());
        self.report_epoch(improved);
        if cut {
            self.observer.event(&Event::RateCut { epoch, from: before, to: self.learning_rate() });
        }
        Ok(reason.map_or(EpochEnd::Next, EpochEnd::Over))
    }

    fn report_epoch(&mut self, improved: bool) {
        self.observer.epoch(&EpochReport {
            at: self.at,
            metrics: &self.last,
            layers: &self.layer_metrics,
            best: self.best.as_ref(),
            improved,
            patience_left: self.tracker.as_ref().and_then(Tracker::patience_left),
        });
    }

    fn keep_best(&mut self) {
        match &mut self.best_weights {
            Some(kept) => {
                kept.0.copy_from_slice(&self.parameters);
                kept.1.copy_from_slice(&self.buffers);
            }
            none => *none = Some(Box::new((self.parameters.clone(), self.buffers.clone()))),
        }
        self.best_is_new = true;
    }

    /// Evaluates a part and appends its metrics; where a wish to stop comes in between, says which.
    fn append_part(
        &mut self,
        prefix: &str,
        part: &Part<T>,
        metrics: &mut Vec<(String, f64)>,
    ) -> Result<Option<StopReason>, Failure> {
        let stopped = self.evaluate(part, None)?;
        if stopped.is_none() {
            self.meter.append(prefix, &self.losses, metrics);
        }
        Ok(stopped)
    }

    fn append_train_evaluation(&mut self, metrics: &mut Vec<(String, f64)>) -> Result<Option<StopReason>, Failure> {
        let stopped = self.evaluate_train()?;
        if stopped.is_none() {
            metrics.push(("train_eval_loss".into(), self.meter.loss(&self.losses)));
        }
        Ok(stopped)
    }

    /// Adds up the losses of the training part's sample.
    fn evaluate_train(&mut self) -> Result<Option<StopReason>, Failure> {
        // The sample is lent out for as long as it is looked at.
        let sample = std::mem::take(&mut self.sample);
        let stopped = match &sample {
            Sample::All => self.evaluate(&self.data.train, None),
            Sample::Places(places) => self.evaluate(&self.data.train, Some(places)),
            Sample::Copies(copies) => self.evaluate(copies, None),
        };
        self.sample = sample;
        stopped
    }

    /// Adds up the losses of a part, or of its rows at `places`, with the current weights in `self.losses`.
    fn evaluate(&mut self, part: &Part<T>, places: Option<&[u32]>) -> Result<Option<StopReason>, Failure> {
        let Run { network, parameters, buffers, evaluation, space, lists, losses, observer, at, window, .. } = self;
        let evaluation = evaluation.as_mut().unwrap_or(space);
        let mut stop = None;
        add_losses(network, parameters, buffers, part, places, window, evaluation, lists, losses, &mut || {
            // A budget that is used up can wait for the end of the epoch; a wish to stop cannot.
            stop = stop_of(observer.directive(at)).filter(|reason| !reason.is_done());
            stop.is_some()
        })?;
        Ok(stop)
    }

    /// The metrics of the test part, with the weights that the best checkpoint will have.
    fn append_test(&mut self, metrics: &mut Vec<(String, f64)>) -> Result<(), Failure> {
        let Some(test) = &self.data.test else { return Ok(()) };
        let restores = self.restores_best();
        let Run { network, parameters, buffers, evaluation, space, lists, losses, best_weights, window, .. } = self;
        let evaluation = evaluation.as_mut().unwrap_or(space);
        let (parameters, buffers) = match best_weights.as_deref().filter(|_| restores) {
            Some((parameters, buffers)) => (parameters, buffers),
            None => (&*parameters, &*buffers),
        };
        add_losses(network, parameters, buffers, test, None, window, evaluation, lists, losses, &mut || false)?;
        self.meter.append("test_", &self.losses, metrics);
        Ok(())
    }

    /// A run that ends within an epoch tells the test metrics with its outcome.
    pub(super) fn append_test_of_last(&mut self) -> Result<(), Failure> {
        let mut metrics = std::mem::take(&mut self.last);
        metrics.retain(|(name, _)| !name.starts_with("test_"));
        self.append_test(&mut metrics)?;
        self.last = metrics;
        Ok(())
    }

    /// Whether the best checkpoint is that of the best metric rather than the last.
    pub(super) fn restores_best(&self) -> bool {
        self.best_weights.is_some() && self.plan.early_stopping.as_ref().is_none_or(|stopping| stopping.restore_best)
    }
}

/// Whether the training part is evaluated after this epoch: after each of the first, then about twenty times in a run.
fn is_evaluation_epoch(epoch: u64, epochs: u64) -> bool {
    epoch <= 5 || epoch.is_multiple_of((epochs / 20).max(1))
}
