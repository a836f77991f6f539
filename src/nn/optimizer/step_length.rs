//! How far a step would go, without taking it: for reports.

use super::apply::{Update, Use};
use super::{Element, Method, Optimizer, Rule, SCALARS, SLOTS, State, Step, StepInfo};
use crate::nn::layout::Layout;
use crate::num::{Real, reduce, run};

/// Elements that are stepped on copies at a time.
const AT_ONCE: usize = 1 << 12;

impl Optimizer {
    /// The Euclidean length of the change that [`Optimizer::step`] would make to one tensor (by its index in the layout) as a whole. Nothing is
    /// changed. 0 for L-BFGS, whose step depends on losses.
    ///
    /// # Panics
    /// As [`Optimizer::step`] does.
    pub fn step_length<T: Real>(
        &self,
        layout: &Layout,
        info: StepInfo,
        params: &[T],
        gradient: &[T],
        index: usize,
        state: &State<T>,
    ) -> f64 {
        with_rule!(&self.method, rule => self.length(rule, layout, info, params, gradient, index, state), lbfgs => 0.0)
    }

    fn length<T: Real>(
        &self,
        rule: &impl Rule,
        layout: &Layout,
        info: StepInfo,
        params: &[T],
        gradient: &[T],
        index: usize,
        state: &State<T>,
    ) -> f64 {
        let segment = &layout.segments()[index];
        let StepInfo { learning_rate, epoch, momentum } = info;
        let (t, memory) = (state.scalars[index * SCALARS] + 1.0, state.scalars[index * SCALARS + 1]);
        let step = Step { t, learning_rate, epoch, momentum, memory };
        let (params, gradient) = (&params[segment.range()], &gradient[segment.range()]);
        let mut slots = state.slots.iter();
        let slots = std::array::from_fn(|_| slots.next().map_or(&[][..], |slot| &slot[segment.range()]));
        let measure = Measure { params, gradient, slots, count: state.slots.len() };
        self.with_decay(self.decays(segment.role), &step, rule.element::<T>(&step), measure)
    }
}

/// Takes the step on copies, some elements at a time.
struct Measure<'a, T> {
    params: &'a [T],
    gradient: &'a [T],
    slots: [&'a [T]; SLOTS],
    count: usize,
}

impl<T: Real> Use<T> for Measure<'_, T> {
    type Output = f64;

    fn with<E: Element<T>>(self, element: E) -> f64 {
        let Measure { params, gradient, slots, count } = self;
        let mut copies: [Vec<T>; SLOTS] = std::array::from_fn(|_| Vec::with_capacity(AT_ONCE));
        let mut moved: Vec<T> = Vec::with_capacity(AT_ONCE);
        let mut sum = 0.0;
        for at in (0..params.len()).step_by(AT_ONCE) {
            let range = at..params.len().min(at + AT_ONCE);
            moved.clear();
            moved.extend_from_slice(&params[range.clone()]);
            for (copy, slot) in copies.iter_mut().zip(&slots[..count]) {
                copy.clear();
                copy.extend_from_slice(&slot[range.clone()]);
            }
            let (params, gradient) = (&params[range.clone()], &gradient[range]);
            let slots = copies.each_mut().map(Vec::as_mut_slice);
            run(Update { element, params: &mut moved, gradient, slots, count, rows: None });
            sum += reduce::sum_of_squared_differences_wide(&moved, params);
        }
        sum.sqrt()
    }
}
