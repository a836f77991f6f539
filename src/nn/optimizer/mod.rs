//! Optimizers: what becomes of parameters, given their gradient. One file a method; `with_rule!` is the table of all of them.
//!
//! A method's step is a pure function of its configuration, the step (`Step`), parameters, gradient and slots (tensors of the
//! parameters' shape that the method carries from step to step). It is applied tensor by tensor, and to an embedding table
//! row by row where only some rows were touched. Not here: gradients, clipping, the learning rate's schedule.
//!
//! Equations and names follow torch 2.15 (`torch/optim/*.py`); each file names its source.

mod adadelta;
mod adagrad;
mod adam;
mod apply;
mod lbfgs;
mod nadam;
mod rmsprop;
mod sgd;

use super::layout::{Layout, Role, Segment};
use crate::num::{Real, Threads, zeros};
use apply::{Coupled, Decoupled, Take, Use};

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use lbfgs::Lbfgs;
pub use nadam::Nadam;
pub use rmsprop::Rmsprop;
pub use sgd::{Momentum, MomentumForm, Sgd};

/// How parameters are changed: a method, and what all methods share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The method with its own parameters.
    pub method: Method,
    /// The rate before the schedule.
    pub learning_rate: f64,
    /// Decay of the weights: added to the gradient as `weight_decay · θ` (coupled), but for `AdamW`, where the weights are
    /// multiplied by `1 - learning_rate · weight_decay` before the step (decoupled).
    pub weight_decay: f64,
    /// Whether biases and the scales and shifts of normalisations decay too.
    pub weight_decay_biases: bool,
}

/// The method, one variant for each line of `with_rule!`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Gradient descent, with momentum.
    Sgd(Sgd),
    /// Steps divided by the root of the sum of squared gradients.
    Adagrad(Adagrad),
    /// Steps divided by a running root mean square of gradients.
    Rmsprop(Rmsprop),
    /// Steps scaled by the ratio of past steps to past gradients.
    Adadelta(Adadelta),
    /// Running means of gradient and squared gradient, bias-corrected.
    Adam(Adam),
    /// Adam with decoupled weight decay.
    AdamW(Adam),
    /// Adam with Nesterov's look-ahead.
    Nadam(Nadam),
    /// Quasi-Newton over the full batch; its step is [`Lbfgs::step`], not [`Optimizer::step`].
    Lbfgs(Lbfgs),
}

/// What a method carries from step to step: plain numbers, written into checkpoints in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<T> {
    /// Tensors as long as the flat parameter vector.
    pub slots: Vec<Vec<T>>,
    /// [`SCALARS`] numbers for each segment of the layout: steps done, and one that belongs to the method. L-BFGS has its own.
    pub scalars: Vec<f64>,
}

/// Numbers in [`State::scalars`] for each segment.
pub const SCALARS: usize = 2;

/// Most slots that an element-wise method has.
const SLOTS: usize = 3;

/// What the loop knows of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
    /// The scheduled rate.
    pub learning_rate: f64,
    /// Epochs completed; momentum may depend on it.
    pub epoch: u64,
    /// Momentum (beta1) where the schedule sets it, as one-cycle does.
    pub momentum: Option<f64>,
}

/// Which rows of a segment take part in a step.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// The whole tensor.
    All,
    /// None: the tensor belongs to a task that this step does not train; its moments and its step count rest.
    Resting,
    /// The gradient is zero but in these rows of an embedding table, each named once.
    Touched(&'a [u32], Sparse),
}

/// What happens to the rows of an embedding table that a batch does not touch.
///
/// Plain SGD and AdaGrad without decay leave such rows alone by their equations, so both forms are the same and a step costs
/// what it touches. With momentum, running means or weight decay the equations move every row in every step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sparse {
    /// As the equations say: equal to a dense tensor in every bit; where they move every row, a step costs the table.
    #[default]
    Exact,
    /// Only touched rows step, decay and count moments (as torch's `SparseAdam`): a step costs what it touches, and rare rows keep
    /// their momentum until they come again. The bias correction counts the steps of the table.
    Lazy,
}

/// A step as a method sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    /// This step of the tensor, from 1.
    t: f64,
    learning_rate: f64,
    epoch: u64,
    momentum: Option<f64>,
    /// The method's own number, before this step.
    memory: f64,
}

/// An element-wise method.
trait Rule {
    /// What it does to one element, with all that the elements have in common computed beforehand.
    type Element<T: Real>: Element<T>;

    /// Tensors that it carries, at most [`SLOTS`].
    fn slots(&self) -> usize;

    /// Where a slot starts.
    fn initial(&self, _slot: usize) -> f64 {
        0.0
    }

    /// The method's own number before the first step, and after a step. It must depend on the step alone.
    fn memory(&self, step: Option<&Step>) -> f64 {
        step.map_or(1.0, |step| step.memory)
    }

    /// Whether an element whose gradient is zero stays where it is, with all its slots.
    fn rests_without_gradient(&self) -> bool {
        false
    }

    /// Makes ready for the elements of one tensor in one step.
    fn element<T: Real>(&self, step: &Step) -> Self::Element<T>;
}

/// What a step does to one element. Mark it `#[inline(always)]`: it is compiled for wide registers.
trait Element<T>: Copy + Sync {
    /// Gives the new parameter for `p` with the slope `g`, and changes its slots; those beyond [`Rule::slots`] are 0 and are not kept.
    fn step(self, p: T, g: T, slots: &mut [T; SLOTS]) -> T;
}

/// The table of element-wise methods: a new one is its file, its variant and a line here.
macro_rules! with_rule {
    ($method:expr, $rule:ident => $body:expr, lbfgs => $other:expr) => {
        match $method {
            Method::Sgd($rule) => $body,
            Method::Adagrad($rule) => $body,
            Method::Rmsprop($rule) => $body,
            Method::Adadelta($rule) => $body,
            Method::Adam($rule) | Method::AdamW($rule) => $body,
            Method::Nadam($rule) => $body,
            Method::Lbfgs(_) => $other,
        }
    };
}

// Behind the table that it uses.
mod step_length;

impl Method {
    /// The name that a spec gives it.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Sgd(_) => "sgd",
            Method::Adagrad(_) => "adagrad",
            Method::Rmsprop(_) => "rmsprop",
            Method::Adadelta(_) => "adadelta",
            Method::Adam(_) => "adam",
            Method::AdamW(_) => "adamw",
            Method::Nadam(_) => "nadam",
            Method::Lbfgs(_) => "lbfgs",
        }
    }
}

impl Optimizer {
    /// A method with its rate and no decay.
    pub fn new(method: Method, learning_rate: f64) -> Optimizer {
        Optimizer { method, learning_rate, weight_decay: 0.0, weight_decay_biases: false }
    }

    /// The same optimizer, made ready for a schedule that sets the momentum in every step: plain SGD gets a momentum buffer.
    pub fn with_cycled_momentum(mut self) -> Optimizer {
        if let Method::Sgd(sgd) = &mut self.method {
            sgd.momentum = Momentum::Scheduled;
        }
        self
    }

    /// The state before the first step.
    pub fn state<T: Real>(&self, layout: &Layout) -> State<T> {
        with_rule!(&self.method, rule => State {
            slots: (0..rule.slots()).map(|slot| filled(rule.initial(slot), layout.len())).collect(),
            scalars: layout.segments().iter().flat_map(|_| [0.0, rule.memory(None)]).collect(),
        }, lbfgs => lbfgs::state(&self.method, layout))
    }

    /// Whether a tensor of this role decays.
    pub fn decays(&self, role: Role) -> bool {
        self.weight_decay != 0.0
            && match role {
                Role::Weight | Role::Embedding => true,
                Role::Bias | Role::NormScale | Role::NormShift => self.weight_decay_biases,
                Role::RunningMean | Role::RunningVariance => false,
            }
    }

    /// Takes one step. `rows` says for each segment (by its index in the layout) which rows take part; where a table is touched in some rows, the gradient of
    /// the others must be 0. L-BFGS does nothing here: see [`Lbfgs::step`].
    ///
    /// # Panics
    /// Where slices are not as long as the layout says, or the state is another method's.
    pub fn step<'a, T: Real>(
        &self,
        layout: &Layout,
        info: StepInfo,
        params: &mut [T],
        gradient: &[T],
        rows: &dyn Fn(usize) -> Rows<'a>,
        state: &mut State<T>,
    ) {
        self.step_on(layout, info, params, gradient, rows, state, &Threads::default());
    }

    /// [`Optimizer::step`] on several threads, whose number changes no bit.
    ///
    /// # Panics
    /// As it does.
    pub fn step_on<'a, T: Real>(
        &self,
        layout: &Layout,
        info: StepInfo,
        params: &mut [T],
        gradient: &[T],
        rows: &dyn Fn(usize) -> Rows<'a>,
        state: &mut State<T>,
        threads: &Threads,
    ) {
        with_rule!(&self.method, rule => {
            let mut known = None;
            for (index, segment) in layout.segments().iter().enumerate() {
                let tensor = (index, segment);
                self.step_segment(rule, info, tensor, rows(index), params, gradient, state, threads, &mut known);
            }
        }, lbfgs => ());
    }

    /// `known`: what the step before this one was, and what it does to an element: nearly always the same, and powers take long.
    fn step_segment<T: Real, R: Rule>(
        &self,
        rule: &R,
        info: StepInfo,
        (index, segment): (usize, &Segment),
        rows: Rows<'_>,
        params: &mut [T],
        gradient: &[T],
        state: &mut State<T>,
        threads: &Threads,
        known: &mut Option<(Step, R::Element<T>)>,
    ) {
        let decays = self.decays(segment.role);
        let touched = match rows {
            Rows::Resting => return,
            Rows::All => None,
            Rows::Touched(touched, Sparse::Lazy) => Some(touched),
            Rows::Touched(touched, Sparse::Exact) => (rule.rests_without_gradient() && !decays).then_some(touched),
        };
        let [t, memory] = &mut state.scalars[index * SCALARS..][..SCALARS] else { return };
        *t += 1.0;
        let step = Step {
            t: *t,
            learning_rate: info.learning_rate,
            epoch: info.epoch,
            momentum: info.momentum,
            memory: *memory,
        };
        *memory = rule.memory(Some(&step));
        let element = match *known {
            Some((before, element)) if before == step => element,
            _ => rule.element::<T>(&step),
        };
        *known = Some((step, element));
        let rows = touched.map(|touched| (touched, segment.shape.get(1).copied().unwrap_or(1)));
        let (params, gradient) = (&mut params[segment.range()], &gradient[segment.range()]);
        let count = state.slots.len();
        let mut slots = state.slots.iter_mut();
        let slots = std::array::from_fn(|_| slots.next().map_or(&mut [][..], |slot| &mut slot[segment.range()]));
        self.with_decay(decays, &step, element, Take { params, gradient, slots, count, rows, threads });
    }

    /// Hands over what a step does to an element of a tensor, its decay with it.
    fn with_decay<T: Real, E: Element<T>, U: Use<T>>(
        &self,
        decays: bool,
        step: &Step,
        element: E,
        what: U,
    ) -> U::Output {
        if !decays {
            what.with(element)
        } else if matches!(self.method, Method::AdamW(_)) {
            what.with(Decoupled { keep: T::from_f64(1.0 - step.learning_rate * self.weight_decay), element })
        } else {
            // The gradient itself stays as it is: of an embedding table only touched rows are cleared before the next.
            what.with(Coupled { decay: T::from_f64(self.weight_decay), element })
        }
    }
}

/// A slot before the first step.
fn filled<T: Real>(value: f64, length: usize) -> Vec<T> {
    let mut slot = zeros(length);
    if value != 0.0 {
        slot.fill(T::from_f64(value));
    }
    slot
}

#[cfg(test)]
mod tests;
