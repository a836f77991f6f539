//! The loop: steps, epochs, checkpoints, ends. It owns everything that a run carries, and takes its room once.
//!
//! The state between two steps is complete: a checkpoint of it goes on to the same bits. The end of an epoch (evaluation, plateau,
//! early stopping, report) comes before the next step; a run that is interrupted in it stands after the epoch's last step.

use super::checkpoint::{Checkpoint, Contents, RunState, Saved, encode};
use super::evaluate::{ROWS, add_losses};
use super::fit::{Dataset, Divergence, Failure, Outcome, Start};
use super::meter::{Meter, Sums};
use super::observer::{Best, CheckpointSet, Directive, EpochReport, Event, Observer, Progress, StepReport, StopReason};
use super::order::Order;
use super::plan::{Every, Plan, Switch};
use super::tracker::Tracker;
use super::view::Lists;
use crate::data::{BatchBuffer, Examples};
use crate::nn::clipping::{gradient_norm, max_norm, soft_threshold};
use crate::nn::optimizer::{Optimizer, Rows, State, StepInfo};
use crate::nn::schedule::{PlateauState, Time};
use crate::nn::{Network, Noise, Penalties, TaskLoss, TensorKind, Workspace, first_non_finite};
use crate::num::{Real, reduce};

/// Step metrics are thinned so that a run has about so many.
const STEP_POINTS: u64 = 20_000;

/// A run under way.
pub(super) struct Run<'a, T: 'static> {
    plan: &'a Plan,
    data: &'a Dataset<T>,
    observer: &'a mut dyn Observer,
    network: Network,
    optimizer: Optimizer,
    penalties: Penalties,
    meter: Meter,
    order: Order,
    /// The head that a tensor belongs to, if not to all.
    head_of: Vec<Option<usize>>,
    // What is carried from step to step.
    parameters: Vec<T>,
    buffers: Vec<T>,
    state: State<T>,
    at: Progress,
    step_in_epoch: u64,
    opened: bool,
    plateau: PlateauState,
    tracker: Option<Tracker>,
    sums: Sums,
    best: Option<Best>,
    last: Vec<(String, f64)>,
    /// Weights of the best epoch, where a tracker decides; `best_is_new` until a set took them along.
    best_weights: Option<Box<(Vec<T>, Vec<T>)>>,
    best_is_new: bool,
    // Room.
    gradient: Vec<T>,
    buffers_before: Vec<T>,
    space: Workspace<T>,
    evaluation: Workspace<T>,
    lists: Lists<T>,
    indices: Vec<u32>,
    batch: BatchBuffer<T>,
    losses: Vec<TaskLoss>,
    step_metrics: Vec<(String, f64)>,
    step_every: Option<u64>,
}

/// How the end of an epoch went.
enum EpochEnd {
    /// On with the next.
    Next,
    /// The run is over.
    Over(StopReason),
    /// The evaluation was interrupted; the end of the epoch comes again after a resume.
    Interrupted(StopReason),
}

impl<'a, T: Real> Run<'a, T> {
    /// Makes everything ready.
    pub fn new(
        plan: &'a Plan,
        data: &'a Dataset<T>,
        start: Start<T>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Failure> {
        let network = Network::new(plan.architecture.clone());
        let heads = plan.architecture.heads.len();
        for examples in [Some(&data.train), data.validation.as_ref(), data.test.as_ref()].into_iter().flatten() {
            check_width(plan, examples)?;
        }
        let order = Order::new(plan, &data.train, network.needs_two_rows())?;
        let steps = plan.epochs.saturating_mul(order.steps());
        let cycles = plan.schedule.cycles_momentum();
        let optimizer = if cycles { plan.optimizer.with_cycled_momentum() } else { plan.optimizer };
        let tracker = Tracker::new(plan);
        let meter = Meter::of_plan(plan);
        let mut head_of = vec![None; network.layout().segments().len()];
        for head in 0..heads {
            network.head_segments(head).for_each(|segment| head_of[segment] = Some(head));
        }
        let l1 = if plan.regularization.l1_proximal { 0.0 } else { plan.regularization.l1 };
        let longest = order.longest();
        let step_every = match plan.record.step_metrics {
            Switch::Off => None,
            Switch::On => Some(1),
            Switch::Auto => Some(steps.div_ceil(STEP_POINTS).max(1)),
        };
        let evaluated = [Some(&data.train), data.validation.as_ref(), data.test.as_ref()];
        let most = evaluated.into_iter().flatten().map(|examples| examples.rows).max().unwrap_or(0);
        let mut run = Run {
            plan,
            data,
            observer,
            penalties: Penalties { l1, l2: plan.regularization.l2 },
            order,
            head_of,
            parameters: Vec::new(),
            buffers: Vec::new(),
            state: State::default(),
            at: Progress { epochs: plan.epochs, steps, ..Progress::default() },
            step_in_epoch: 0,
            opened: false,
            plateau: PlateauState::default(),
            best_weights: None,
            best_is_new: false,
            tracker,
            sums: Sums::new(heads),
            best: None,
            last: Vec::new(),
            gradient: vec![T::ZERO; network.layout().len()],
            buffers_before: vec![T::ZERO; network.buffers().len()],
            space: network.workspace(longest, plan.threads),
            evaluation: network.workspace(most.min(ROWS), plan.threads),
            lists: Lists::default(),
            indices: Vec::with_capacity(longest),
            batch: data.train.buffer(longest),
            losses: vec![TaskLoss::default(); heads],
            step_metrics: meter.step_names(),
            meter,
            step_every,
            optimizer,
            network,
        };
        run.begin(start)?;
        Ok(run)
    }

    fn begin(&mut self, start: Start<T>) -> Result<(), Failure> {
        let (wanted, wanted_buffers) = (self.network.layout().len(), self.network.buffers().len());
        let fitting = |parameters: &[T], buffers: &[T]| {
            if parameters.len() == wanted && buffers.len() == wanted_buffers {
                return Ok(());
            }
            Err(Failure::Mismatch(format!(
                "the weights to start from have {} parameters and {} running statistics, the network has {wanted} and {wanted_buffers}",
                parameters.len(),
                buffers.len()
            )))
        };
        self.state = self.optimizer.state(self.network.layout());
        match start {
            Start::Fresh => {
                self.parameters = self.network.initialise(self.plan.seed);
                self.buffers = self.network.initial_buffers();
            }
            Start::Weights { parameters, buffers } => {
                self.buffers = buffers.unwrap_or_else(|| self.network.initial_buffers());
                fitting(&parameters, &self.buffers)?;
                self.parameters = parameters;
            }
            Start::Resume { last, best } => {
                self.parameters = last.parameters();
                self.buffers = last.buffers();
                fitting(&self.parameters, &self.buffers)?;
                self.resume(&last)?;
                if self.tracker.is_some() && self.best.is_some() {
                    let of_last = self.best.as_ref().is_some_and(|best| best.step == last.step);
                    let from = best.as_deref().filter(|_| !of_last).unwrap_or(&last);
                    if self.best.as_ref().is_some_and(|best| best.step != from.step) {
                        return Err(Failure::Mismatch("the best weights of the run to go on from are missing".into()));
                    }
                    let weights = (from.parameters(), from.buffers());
                    fitting(&weights.0, &weights.1)?;
                    self.best_weights = Some(Box::new(weights));
                }
            }
        }
        Ok(())
    }

    fn resume(&mut self, from: &Checkpoint) -> Result<(), Failure> {
        let mismatch = |text: &str| Failure::Mismatch(format!("the run cannot go on from this checkpoint: {text}"));
        let run = from.state.as_ref().ok_or_else(|| mismatch("it holds weights only"))?;
        if !from.can_resume() {
            return Err(mismatch("another version of the arithmetic wrote it"));
        }
        if from.precision.name() != T::NAME {
            return Err(mismatch("it has another precision"));
        }
        let slots = from.slots();
        let lengths = |slots: &[Vec<T>]| slots.iter().map(Vec::len).collect::<Vec<_>>();
        if run.method != self.optimizer.method.name()
            || lengths(&slots) != lengths(&self.state.slots)
            || run.scalars.len() != self.state.scalars.len()
        {
            return Err(mismatch("it is of another optimizer"));
        }
        self.state = State { slots, scalars: run.scalars.clone() };
        self.sums =
            Sums::from_numbers(&run.sums, self.sums.tasks.len()).ok_or_else(|| mismatch("it is of other tasks"))?;
        self.at = Progress { epoch: from.epoch, step: from.step, rows: run.rows, ..self.at };
        (self.step_in_epoch, self.opened, self.plateau) = (run.step_in_epoch, run.opened, run.plateau);
        if self.step_in_epoch > self.order.steps() {
            return Err(mismatch("its epoch had more steps"));
        }
        if let (Some(tracker), Some(state)) = (&mut self.tracker, run.tracker) {
            tracker.state = state;
        }
        self.best = run.best.clone();
        self.last = run.last_names.iter().cloned().zip(run.last_values.iter().copied()).collect();
        Ok(())
    }

    /// Runs until there is a reason to end.
    pub fn to_end(mut self) -> Result<Outcome, Failure> {
        if !self.opened {
            match self.open()? {
                EpochEnd::Next => self.opened = true,
                EpochEnd::Over(reason) | EpochEnd::Interrupted(reason) => return self.finish(reason),
            }
        }
        if self.step_in_epoch == 0 && self.tracker.as_ref().is_some_and(Tracker::is_exhausted) {
            return self.finish(StopReason::EarlyStopping);
        }
        while self.at.epoch < self.plan.epochs {
            while self.step_in_epoch < self.order.steps() {
                if let Some(reason) = self.between_steps()? {
                    return self.finish(reason);
                }
                self.step()?;
            }
            match self.end_epoch()? {
                EpochEnd::Next => {}
                EpochEnd::Over(reason) | EpochEnd::Interrupted(reason) => return self.finish(reason),
            }
        }
        self.finish(StopReason::EpochsDone)
    }

    /// Asks the observer, and writes a checkpoint where one is due.
    fn between_steps(&mut self) -> Result<Option<StopReason>, Failure> {
        let due = match self.plan.checkpoints {
            Every::Auto => self.observer.checkpoint_due(&self.at),
            Every::Steps(every) => self.at.step.is_multiple_of(every.max(1)),
            Every::Epochs(every) => self.step_in_epoch == 0 && self.at.epoch.is_multiple_of(every.max(1)),
        };
        if due {
            let set = self.checkpoint_set()?;
            self.observer.checkpoint(set)?;
        }
        Ok(stop_of(self.observer.directive(&self.at)))
    }

    /// Tells of the untrained network.
    fn open(&mut self) -> Result<EpochEnd, Failure> {
        let mut metrics = Vec::new();
        if let Some(reason) = self.append_part("", &self.data.train, &mut metrics) {
            return Ok(EpochEnd::Interrupted(reason));
        }
        if let Some(validation) = &self.data.validation
            && let Some(reason) = self.append_part("val_", validation, &mut metrics)
        {
            return Ok(EpochEnd::Interrupted(reason));
        }
        if let Some((_, loss)) = metrics.first() {
            metrics.push(("train_eval_loss".into(), *loss));
        }
        metrics.push(("learning_rate".into(), self.learning_rate()));
        self.last = metrics;
        self.report_epoch(false);
        Ok(EpochEnd::Next)
    }

    fn time(&self) -> Time {
        Time { step: self.at.step, epoch: self.at.epoch, steps_per_epoch: self.order.steps() }
    }

    fn learning_rate(&self) -> f64 {
        self.plan.schedule.learning_rate(self.plan.optimizer.learning_rate, self.time(), &self.plateau)
    }

    /// One step.
    fn step(&mut self) -> Result<(), Failure> {
        let time = self.time();
        let learning_rate = self.learning_rate();
        let (places, active) = self.order.batch(self.at.epoch, self.step_in_epoch);
        self.indices.clear();
        self.indices.extend_from_slice(places);
        self.data.train.gather(&self.indices, &mut self.batch);
        self.buffers_before.copy_from_slice(&self.buffers);
        let noise = Noise { seed: self.plan.seed, epoch: self.at.epoch, step: self.at.step };
        let Run { network, parameters, buffers, penalties, space, gradient, lists, batch, .. } = self;
        let examples = &batch.examples;
        let loss = lists.with_batch(examples, 0..examples.rows, true, |batch| {
            network.gradient(parameters, buffers, batch, noise, penalties, active, space, gradient)
        });
        let skipped = self.space.tasks().iter().all(|task| task.weight_sum == 0.0) && loss.data == 0.0;
        let mut penalty = loss.penalty;
        let mut norm = 0.0;
        if skipped {
            self.observer.event(&Event::StepSkipped { step: self.at.step + 1 });
        } else {
            let Run { network, plan, head_of, space, gradient, parameters, state, optimizer, sums, .. } = self;
            let layout = network.layout();
            // Embedding tables are the first tensors of a layout, in the order of the architecture.
            let rows = |segment: usize| match (active, head_of[segment]) {
                (Some(active), Some(head)) if head != active => Rows::Resting,
                _ => match plan.sparse.get(segment).filter(|_| segment < plan.architecture.tables.len()) {
                    Some(sparse) => Rows::Touched(space.touched(segment), *sparse),
                    None => Rows::All,
                },
            };
            norm = gradient_norm(layout, gradient, &rows);
            if !norm.is_finite() || !loss.data.is_finite() || !penalty.is_finite() {
                return Err(self.diverge());
            }
            if plan.regularization.l1_proximal {
                penalty += Penalties { l1: plan.regularization.l1, l2: 0.0 }.value(layout, parameters);
            }
            let clipped = plan.clipping.is_some_and(|clipping| clipping.apply(layout, gradient, &rows, norm));
            let info = StepInfo { learning_rate, epoch: time.epoch, momentum: plan.schedule.momentum(time) };
            optimizer.step(layout, info, parameters, gradient, &rows, state);
            if plan.regularization.l1_proximal {
                soft_threshold(layout, parameters, &rows, learning_rate * plan.regularization.l1);
            }
            if let Some(limit) = plan.regularization.max_norm {
                max_norm(layout, parameters, limit);
            }
            sums.steps += 1.0;
            sums.penalty += penalty;
            sums.gradient_norm += norm;
            sums.clipped += f64::from(u8::from(clipped));
            sums.tasks.iter_mut().zip(space.tasks()).for_each(|(sum, task)| sum.add(task));
        }
        self.at.step += 1;
        self.step_in_epoch += 1;
        self.at.rows += self.indices.len() as u64;
        if self.step_every.is_some_and(|every| self.at.step.is_multiple_of(every)) && !skipped {
            self.report_step(loss.data, penalty, norm, learning_rate);
        }
        Ok(())
    }

    fn report_step(&mut self, data: f64, penalty: f64, norm: f64, learning_rate: f64) {
        let tasks = self.space.tasks();
        let fixed = [self.meter.loss(tasks), data + penalty, penalty, norm, learning_rate];
        let (own, of_tasks) = self.step_metrics.split_at_mut(fixed.len());
        own.iter_mut().zip(fixed).for_each(|(metric, value)| metric.1 = value);
        for (index, (metric, task)) in of_tasks.iter_mut().zip(tasks).enumerate() {
            metric.1 = if task.weight_sum > 0.0 { self.meter.task_loss(index, task) } else { f64::NAN };
        }
        self.observer.step(&StepReport { at: self.at, metrics: &self.step_metrics });
    }

    /// Evaluates, decides, tells.
    fn end_epoch(&mut self) -> Result<EpochEnd, Failure> {
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
            && let Some(reason) = self.append_part("val_", validation, &mut metrics)
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
            && let Some(stop) = self.append_train_evaluation(&mut metrics)
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
            self.append_test(&mut metrics);
        }
        self.last = metrics;
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
        part: &Examples<T>,
        metrics: &mut Vec<(String, f64)>,
    ) -> Option<StopReason> {
        let stopped = self.evaluate(part);
        if stopped.is_none() {
            self.meter.append(prefix, &self.losses, metrics);
        }
        stopped
    }

    fn append_train_evaluation(&mut self, metrics: &mut Vec<(String, f64)>) -> Option<StopReason> {
        let stopped = self.evaluate(&self.data.train);
        if stopped.is_none() {
            metrics.push(("train_eval_loss".into(), self.meter.loss(&self.losses)));
        }
        stopped
    }

    /// Adds up the losses of a part with the current weights in `self.losses`.
    fn evaluate(&mut self, part: &Examples<T>) -> Option<StopReason> {
        let Run { network, parameters, buffers, evaluation, lists, losses, observer, at, .. } = self;
        let mut stop = None;
        add_losses(network, parameters, buffers, part, evaluation, lists, losses, &mut || {
            // A budget that is used up can wait for the end of the epoch; a wish to stop cannot.
            stop = stop_of(observer.directive(at)).filter(|reason| !reason.is_done());
            stop.is_some()
        });
        stop
    }

    /// The metrics of the test part, with the weights that the best checkpoint will have.
    fn append_test(&mut self, metrics: &mut Vec<(String, f64)>) {
        let Some(test) = &self.data.test else { return };
        let restores = self.restores_best();
        let Run { network, parameters, buffers, evaluation, lists, losses, best_weights, .. } = self;
        let (parameters, buffers) = match best_weights.as_deref().filter(|_| restores) {
            Some((parameters, buffers)) => (parameters, buffers),
            None => (&*parameters, &*buffers),
        };
        add_losses(network, parameters, buffers, test, evaluation, lists, losses, &mut || false);
        self.meter.append("test_", &self.losses, metrics);
    }

    /// Whether the best checkpoint is that of the best metric rather than the last.
    fn restores_best(&self) -> bool {
        self.best_weights.is_some() && self.plan.early_stopping.as_ref().is_none_or(|stopping| stopping.restore_best)
    }

    fn finish(mut self, reason: StopReason) -> Result<Outcome, Failure> {
        if reason.is_done() && self.step_in_epoch > 0 {
            self.append_test_of_last();
        }
        let mut set = self.checkpoint_set()?;
        if reason.is_done() && !self.restores_best() {
            set.best = set.last.clone();
        }
        Ok(Outcome { reason, at: self.at, best: self.best, last: self.last, set })
    }

    /// A run that ends within an epoch tells the test metrics with its outcome.
    fn append_test_of_last(&mut self) {
        let mut metrics = std::mem::take(&mut self.last);
        metrics.retain(|(name, _)| !name.starts_with("test_"));
        self.append_test(&mut metrics);
        self.last = metrics;
    }

    /// The state as it is, and the best weights if they are new.
    fn checkpoint_set(&mut self) -> Result<CheckpointSet, Failure> {
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
    fn diverge(&mut self) -> Failure {
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

/// Whether the training part is evaluated after this epoch: after each of the first, then about twenty times in a run.
fn is_evaluation_epoch(epoch: u64, epochs: u64) -> bool {
    epoch <= 5 || epoch.is_multiple_of((epochs / 20).max(1))
}

fn stop_of(directive: Directive) -> Option<StopReason> {
    match directive {
        Directive::Continue => None,
        Directive::Pause => Some(StopReason::Paused),
        Directive::Cancel => Some(StopReason::Cancelled),
        Directive::Drain => Some(StopReason::Drained),
        Directive::Stop(reason) => Some(reason),
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

fn check_width<T>(plan: &Plan, examples: &Examples<T>) -> Result<(), Failure> {
    let architecture = &plan.architecture;
    let fits = examples.features == architecture.features
        && examples.tokens.len() == architecture.tokens.len()
        && examples.targets.len() == architecture.heads.len();
    if fits {
        return Ok(());
    }
    Err(Failure::Mismatch(format!(
        "the examples have {} features, {} token inputs and {} targets, the network {}, {} and {}",
        examples.features,
        examples.tokens.len(),
        examples.targets.len(),
        architecture.features,
        architecture.tokens.len(),
        architecture.heads.len()
    )))
}
