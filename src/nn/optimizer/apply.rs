//! A step carried out over a tensor, a part of it or some of its rows, in wide registers.

use std::ops::Range;

use super::{Element, SLOTS};
use crate::num::{Pass, Real, Threads, prefetch, run};

/// How many rows ahead of its turn a row of a table is asked for.
const AHEAD: usize = 4;

/// Elements that go through a step together, in registers.
const TOGETHER: usize = 16;

/// What an element costs, in multiply-adds of a product: most of it is memory.
const COST: usize = 16;

/// The decay of the weights added to the slope.
#[derive(Clone, Copy)]
pub(super) struct Coupled<T, E> {
    pub(super) decay: T,
    pub(super) element: E,
}

impl<T: Real, E: Element<T>> Element<T> for Coupled<T, E> {
    #[inline(always)]
    fn step(self, p: T, g: T, slots: &mut [T; SLOTS]) -> T {
        self.element.step(p, self.decay.mul_add(p, g), slots)
    }
}

/// The decay of the weights before the step, and no part of the slope.
#[derive(Clone, Copy)]
pub(super) struct Decoupled<T, E> {
    pub(super) keep: T,
    pub(super) element: E,
}

impl<T: Real, E: Element<T>> Element<T> for Decoupled<T, E> {
    #[inline(always)]
    fn step(self, p: T, g: T, slots: &mut [T; SLOTS]) -> T {
        self.element.step(p * self.keep, g, slots)
    }
}

/// A step of one tensor, of a part of it, or of some of its rows. All slices begin with the same element.
pub(super) struct Update<'a, T, E> {
    pub(super) element: E,
    pub(super) params: &'a mut [T],
    pub(super) gradient: &'a [T],
    /// As many as `count` says, then empty ones.
    pub(super) slots: [&'a mut [T]; SLOTS],
    pub(super) count: usize,
    /// The rows that step, and their width; `None`: all.
    pub(super) rows: Option<(&'a [u32], usize)>,
}

impl<T: Real, E: Element<T>> Update<'_, T, E> {
    /// Takes the step; a whole tensor that is worth it in parts.
    fn take(self, threads: &Threads) {
        let parts = if self.rows.is_some() { 1 } else { threads.worth(COST * self.params.len()) };
        if parts == 1 {
            return run(self);
        }
        let Update { element, params, gradient, slots: [first, second, third], count, .. } = self;
        threads.run_on([params, first, second, third], TOGETHER, parts, |range, [params, first, second, third]| {
            let slots = [first, second, third];
            run(Update { element, params, gradient: &gradient[range], slots, count, rows: None });
        });
    }
}

impl<T: Real, E: Element<T>> Pass for Update<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.count {
            0 => self.with_slots::<0>(),
            1 => self.with_slots::<1>(),
            2 => self.with_slots::<2>(),
            _ => self.with_slots::<SLOTS>(),
        }
    }
}

impl<T: Real, E: Element<T>> Update<'_, T, E> {
    #[inline(always)]
    fn with_slots<const N: usize>(mut self) {
        match self.rows {
            None => self.range::<N>(0..self.params.len()),
            Some((rows, width)) => {
                for (place, &row) in rows.iter().enumerate() {
                    if let Some(&next) = rows.get(place + AHEAD) {
                        let next = next as usize * width..(next as usize + 1) * width;
                        self.slots[..N].iter().for_each(|slot| prefetch(&slot[next.clone()]));
                        prefetch(&self.params[next.clone()]);
                        prefetch(&self.gradient[next]);
                    }
                    self.range::<N>(row as usize * width..(row as usize + 1) * width);
                }
            }
        }
    }

    /// Copies of as many elements as a register holds, so that the compiler sees that nothing overlaps.
    #[inline(always)]
    fn range<const N: usize>(&mut self, range: Range<usize>) {
        let mut slots = self.slots.iter_mut();
        let mut slots: [&mut [T]; N] =
            std::array::from_fn(|_| slots.next().map_or(&mut [][..], |slot| &mut slot[range.clone()]));
        let (params, gradient) = (&mut self.params[range.clone()], &self.gradient[range]);
        let whole = params.len() / TOGETHER * TOGETHER;
        for at in (0..whole).step_by(TOGETHER) {
            step_some::<T, E, N, TOGETHER>(self.element, at, params, gradient, &mut slots);
        }
        for at in whole..params.len() {
            step_some::<T, E, N, 1>(self.element, at, params, gradient, &mut slots);
        }
    }
}

/// Steps elements `at..at + COUNT`.
#[inline(always)]
fn step_some<T: Real, E: Element<T>, const N: usize, const COUNT: usize>(
    element: E,
    at: usize,
    params: &mut [T],
    gradient: &[T],
    slots: &mut [&mut [T]; N],
) {
    let (mut p, mut g, mut s) = ([T::ZERO; COUNT], [T::ZERO; COUNT], [[T::ZERO; COUNT]; SLOTS]);
    p.copy_from_slice(&params[at..at + COUNT]);
    g.copy_from_slice(&gradient[at..at + COUNT]);
    for (copy, slot) in s.iter_mut().zip(&*slots) {
        copy.copy_from_slice(&slot[at..at + COUNT]);
    }
    for i in 0..COUNT {
        let mut own = [s[0][i], s[1][i], s[2][i]];
        p[i] = element.step(p[i], g[i], &mut own);
        [s[0][i], s[1][i], s[2][i]] = own;
    }
    params[at..at + COUNT].copy_from_slice(&p);
    for (copy, slot) in s.iter().zip(slots) {
        slot[at..at + COUNT].copy_from_slice(copy);
    }
}

/// What is done with an element's step once it is known.
pub(super) trait Use<T> {
    type Output;

    fn with<E: Element<T>>(self, element: E) -> Self::Output;
}

/// Takes the step of a tensor.
pub(super) struct Take<'a, T> {
    pub(super) params: &'a mut [T],
    pub(super) gradient: &'a [T],
    pub(super) slots: [&'a mut [T]; SLOTS],
    pub(super) count: usize,
    pub(super) rows: Option<(&'a [u32], usize)>,
    pub(super) threads: &'a Threads,
}

impl<T: Real> Use<T> for Take<'_, T> {
    type Output = ();

    fn with<E: Element<T>>(self, element: E) {
        let Take { params, gradient, slots, count, rows, threads } = self;
        Update { element, params, gradient, slots, count, rows }.take(threads);
    }
}
