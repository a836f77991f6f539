//! The loop: steps, epochs, checkpoints, ends. It owns everything that a run carries, and takes its room once.
//!
//! The state between two steps is complete: a checkpoint of it goes on to the same bits. The end of an epoch (evaluation, plateau,
//! early stopping, report) comes before the next step; a run that is interrupted in it stands after the epoch's last step.

mod epoch;
mod keep;
mod layers;
mod room;
mod tasks;

use super::checkpoint::Checkpoint;
use super::evaluate::{ROWS, Sample};
use super::fit::{Dataset, Failure, Outcome, Start};
use super::meter::{Meter, Sums};
use super::observer::{Best, Directive, Event, Observer, Progress, StepReport, StopReason};
use super::order::Order;
use super::plan::{Every, Plan, Switch};
use super::tracker::Tracker;
use super::view::Lists;
use crate::data::{BatchBuffer, Examples, Part};
use crate::nn::clipping::{gradient_norm, max_norm, soft_threshold};
use crate::nn::optimizer::{Lbfgs, Method, Optimizer, Rows, State, StepInfo};
use crate::nn::schedule::{PlateauState, Time};
use crate::nn::{BatchLoss, Network, Noise, Penalties, TaskLoss, Workspace};
use crate::num::{Real, zeros};
use layers::LayerProbe;
use room::rows_of_run;
use tasks::TaskProbe;

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
    /// Room to evaluate, where that of the steps is too small.
    evaluation: Option<Workspace<T>>,
    sample: Sample<T>,
    lists: Lists<T>,
    indices: Vec<u32>,
    batch: BatchBuffer<T>,
    /// The batch of the next step, where its rows are read from a file meanwhile.
    ahead: Option<NextBatch>,
    /// Rows of a file that are evaluated.
    window: BatchBuffer<T>,
    losses: Vec<TaskLoss>,
    step_metrics: Vec<(String, f64)>,
    /// What the last step's batch added to each task, before the step.
    step_tasks: Vec<TaskLoss>,
    step_every: Option<u64>,
    probe: Option<TaskProbe<T>>,
    layers: Option<LayerProbe<T>>,
    /// What the last look into the layers found; empty after an epoch without one.
    layer_metrics: Vec<(String, f64)>,
}

/// A batch whose turn comes: its step, its places and the task that it trains if it is one alone.
struct NextBatch {
    epoch: u64,
    step: u64,
    places: Vec<u32>,
    active: Option<usize>,
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
        for part in [Some(&data.train), data.validation.as_ref(), data.test.as_ref()].into_iter().flatten() {
            check_width(plan, part.labels())?;
        }
        let order = Order::new(plan, data.train.labels(), network.needs_two_rows())?;
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
        let most = evaluated.into_iter().flatten().map(Part::rows).max().unwrap_or(0);
        let evaluated_at_once = most.min(ROWS);
        let space = network.workspace(rows_of_run(longest, evaluated_at_once), plan.threads);
        let batch = data.train.buffer(longest).on(space.threads());
        let mut run = Run {
            plan,
            data,
            observer,
            penalties: Penalties { l1, l2: plan.regularization.l2 + line_search_decay(plan) },
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
            gradient: zeros(network.layout().len()),
            buffers_before: vec![T::ZERO; network.buffers().len()],
            evaluation: (space.most_rows() < evaluated_at_once)
                .then(|| network.workspace(evaluated_at_once, plan.threads)),
            sample: Sample::of(&data.train)?,
            lists: Lists::default(),
            indices: Vec::with_capacity(longest),
            batch,
            ahead: None,
            window: BatchBuffer::default(),
            losses: vec![TaskLoss::default(); heads],
            step_metrics: meter.step_names(),
            step_tasks: Vec::new(),
            meter,
            step_every,
            probe: TaskProbe::new(plan, &network, data, &space)?,
            layers: LayerProbe::new(plan, &network, &data.train, &space)?,
            space,
            layer_metrics: Vec::new(),
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
            Start::Resume { last, best, best_is_kept } => {
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
                    self.best_is_new = !best_is_kept;
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
    pub fn run_to_end(mut self) -> Result<Outcome, Failure> {
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

    fn time(&self) -> Time {
        Time { step: self.at.step, epoch: self.at.epoch, steps_per_epoch: self.order.steps() }
    }

    fn learning_rate(&self) -> f64 {
        self.plan.schedule.learning_rate(self.plan.optimizer.learning_rate, self.time(), &self.plateau)
    }

    /// Gathers the batch of this step; gives the task that it trains if it is one alone.
    fn next_batch(&mut self) -> Result<Option<usize>, Failure> {
        let (epoch, step) = (self.at.epoch, self.step_in_epoch);
        let known = self.ahead.take().filter(|next| (next.epoch, next.step) == (epoch, step));
        let active = match known {
            Some(next) => {
                self.indices = next.places;
                next.active
            }
            None => {
                let (places, active) = self.order.batch(epoch, step);
                self.indices.clear();
                self.indices.extend_from_slice(places);
                active
            }
        };
        self.data.train.gather(&self.indices, &mut self.batch)?;
        if self.data.train.is_spooled() {
            let (epoch, step) = if step + 1 < self.order.steps() { (epoch, step + 1) } else { (epoch + 1, 0) };
            if epoch < self.plan.epochs {
                let (places, active) = self.order.batch(epoch, step);
                self.data.train.expect(places);
                self.ahead = Some(NextBatch { epoch, step, places: places.to_vec(), active });
            }
        }
        Ok(active)
    }

    /// One step.
    fn step(&mut self) -> Result<(), Failure> {
        let time = self.time();
        let learning_rate = self.learning_rate();
        let active = self.next_batch()?;
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
        } else if let Method::Lbfgs(lbfgs) = self.optimizer.method {
            norm = self.line_search_step(lbfgs, learning_rate, noise, &loss)?;
        } else {
            let Run { network, plan, head_of, space, gradient, parameters, state, optimizer, sums, .. } = self;
            let step_tasks = &mut self.step_tasks;
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
            sums.tasks.iter_mut().zip(space.tasks()).for_each(|(sum, task)| sum.add(task));
            step_tasks.clear();
            step_tasks.extend_from_slice(space.tasks());
            optimizer.step_on(layout, info, parameters, gradient, &rows, state, space.threads());
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
        }
        self.at.step += 1;
        self.step_in_epoch += 1;
        self.at.rows += self.indices.len() as u64;
        if self.step_every.is_some_and(|every| self.at.step.is_multiple_of(every)) && !skipped {
            self.report_step(loss.data, penalty, norm, learning_rate);
        }
        Ok(())
    }

    /// One step of L-BFGS from the point whose loss and gradient were just computed; returns the norm of that gradient.
    fn line_search_step(&mut self, lbfgs: Lbfgs, rate: f64, noise: Noise, loss: &BatchLoss) -> Result<f64, Failure> {
        let value = loss.data + loss.penalty;
        let norm = gradient_norm(self.network.layout(), &self.gradient, &|_| Rows::All);
        if !norm.is_finite() || !value.is_finite() {
            return Err(self.diverge());
        }
        let Run { network, parameters, buffers, penalties, space, gradient, lists, batch, sums, state, .. } = self;
        sums.steps += 1.0;
        sums.penalty += loss.penalty;
        sums.gradient_norm += norm;
        sums.tasks.iter_mut().zip(space.tasks()).for_each(|(sum, task)| sum.add(task));
        self.step_tasks.clear();
        self.step_tasks.extend_from_slice(space.tasks());
        let examples = &batch.examples;
        let mut objective = |parameters: &[T], gradient: &mut [T]| {
            let found = lists.with_batch(examples, 0..examples.rows, true, |batch| {
                network.gradient(parameters, buffers, batch, noise, penalties, None, space, gradient)
            });
            found.data + found.penalty
        };
        lbfgs.step(rate, parameters, gradient, value, state, &mut objective);
        Ok(norm)
    }

    fn report_step(&mut self, data: f64, penalty: f64, norm: f64, learning_rate: f64) {
        let tasks = &self.step_tasks;
        let fixed = [self.meter.loss(tasks), data + penalty, penalty, norm, learning_rate];
        let (own, of_tasks) = self.step_metrics.split_at_mut(fixed.len());
        own.iter_mut().zip(fixed).for_each(|(metric, value)| metric.1 = value);
        for (index, (metric, task)) in of_tasks.iter_mut().zip(tasks).enumerate() {
            metric.1 = if task.weight_sum > 0.0 { self.meter.task_loss(index, task) } else { f64::NAN };
        }
        self.observer.step(&StepReport { at: self.at, metrics: &self.step_metrics });
    }
}

/// What a directive ends the run with.
/// A line search compares objectives, so the decay of L-BFGS has to be a part of the objective: then it is the same as an L2 penalty.
fn line_search_decay(plan: &Plan) -> f64 {
    match plan.optimizer.method {
        Method::Lbfgs(_) => plan.optimizer.weight_decay,
        _ => 0.0,
    }
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
