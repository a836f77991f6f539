//! Matrix products in which each element is one chain of fused multiply-adds over k in ascending order, starting at +0.
//!
//! The order makes every blocking, vector width and split over threads give the same bits, and the naive loop the exact
//! reference. The kernels are in `kernel`; the instruction set decides how many columns a register holds, never what is computed.
//!
//! Shapes: `a` is `[m, k]`, `b` is `[k, n]`, `c` is `[m, n]`, each row-major or given transposed by its [`Matrix`].

use super::kernel::isa::{Set, set};
use super::kernel::product::{Job, WIDEST};
use super::{Pass, Real, run, threads::Threads};

/// A matrix in memory: element (i, j) is `values[i * row_step + j * column_step]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    values: &'a [T],
    row_step: usize,
    column_step: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix with rows of `columns` elements.
    pub fn rows(values: &'a [T], columns: usize) -> Self {
        Matrix { values, row_step: columns, column_step: 1 }
    }

    /// Columns `first..` of a row-major matrix with rows of `columns` elements.
    pub fn columns_from(values: &'a [T], columns: usize, first: usize) -> Self {
        Matrix { values: &values[first.min(values.len())..], row_step: columns, column_step: 1 }
    }

    fn turned(self) -> Self {
        Matrix { row_step: self.column_step, column_step: self.row_step, ..self }
    }

    /// The transpose of a row-major matrix with rows of `columns` elements.
    pub fn transposed(values: &'a [T], columns: usize) -> Self {
        Matrix { values, row_step: 1, column_step: columns }
    }
}

/// Room for what a product copies, for each thread; made once, grows to the largest product.
#[derive(Clone, Debug, Default)]
pub struct Packed<T> {
    panels: Vec<T>,
    /// The transpose of a narrow product.
    turned: Vec<T>,
}

impl<T: Real> Packed<T> {
    /// Room for ordinary products of up to `k` on up to `threads` threads; others make it grow once.
    pub fn with_capacity(k: usize, threads: usize) -> Self {
        Packed { panels: vec![T::ZERO; WIDEST * k * threads], turned: Vec::new() }
    }
}

/// With up to so many columns a product fills so little of a register that its transpose is computed, whose rows are long,
const NARROW: usize = 4;
/// if they are at least so long.
const LONG: usize = 16;

/// Computes `c = a b + bias`, the bias (one number for each column) added last. Columns or rows of `c` are split over `threads`.
///
/// # Panics
/// Where a slice is shorter than its shape says.
#[inline]
pub fn product<T: Real>(
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    bias: Option<&[T]>,
    c: &mut [T],
    shape: (usize, usize, usize),
    packed: &mut Packed<T>,
    threads: &Threads,
) {
    let (m, k, n) = shape;
    let parts = threads.worth(m * k * n);
    if n == 1 {
        // A single column lies in memory as the single row of its transpose does.
        product_with(set(), parts, b.turned(), a.turned(), None, c, (n, k, m), &mut packed.panels, threads);
        if let Some(bias) = bias {
            c[..m].iter_mut().for_each(|c| *c += bias[0]);
        }
    } else if n <= NARROW && m >= LONG {
        narrow(set(), parts, a, b, bias, c, shape, packed, threads);
    } else {
        product_with(set(), parts, a, b, bias, c, shape, &mut packed.panels, threads);
    }
}

fn narrow<T: Real>(
    set: Set,
    parts: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    bias: Option<&[T]>,
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    packed: &mut Packed<T>,
    threads: &Threads,
) {
    let Packed { panels, turned } = packed;
    if turned.len() < m * n {
        turned.resize(m * n, T::ZERO);
    }
    product_with(set, parts, b.turned(), a.turned(), None, turned, (n, k, m), panels, threads);
    run(TurnBack { turned: &turned[..m * n], bias, c: &mut c[..m * n], columns: n });
}

fn product_with<T: Real>(
    set: Set,
    parts: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    bias: Option<&[T]>,
    c: &mut [T],
    shape: (usize, usize, usize),
    packed: &mut Vec<T>,
    threads: &Threads,
) {
    let (a_steps, b_steps) = ((a.row_step, a.column_step), (b.row_step, b.column_step));
    let job = Job { a: a.values, a_steps, b: b.values, b_steps, bias, c, shape };
    let room = job.room(set) * parts;
    if packed.len() < room {
        packed.resize(room, T::ZERO);
    }
    job.run(set, parts, packed, |parts, task| threads.run(parts, task));
}

/// Transposes a narrow product and adds its bias.
struct TurnBack<'a, T> {
    turned: &'a [T],
    bias: Option<&'a [T]>,
    c: &'a mut [T],
    columns: usize,
}

impl<T: Real> Pass for TurnBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.columns {
            2 => self.columns::<2>(),
            3 => self.columns::<3>(),
            _ => self.columns::<NARROW>(),
        }
    }
}

impl<T: Real> TurnBack<'_, T> {
    #[inline(always)]
    fn columns<const N: usize>(self) {
        let rows = self.c.as_chunks_mut::<N>().0;
        let columns: [&[T]; N] = std::array::from_fn(|j| &self.turned[j * rows.len()..][..rows.len()]);
        match self.bias {
            None => rows.iter_mut().enumerate().for_each(|(i, row)| *row = std::array::from_fn(|j| columns[j][i])),
            Some(bias) => {
                let bias: [T; N] = std::array::from_fn(|j| bias[j]);
                let whole = |i: usize| std::array::from_fn(|j| columns[j][i] + bias[j]);
                rows.iter_mut().enumerate().for_each(|(i, row)| *row = whole(i));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::kernel::isa::sets;
    use crate::num::random::{Stream, generator, uniform};

    fn naive<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, bias: Option<&[T]>, m: usize, k: usize, n: usize) -> Vec<T> {
        let mut c = vec![T::ZERO; m * n];
        for i in 0..m {
            for j in 0..n {
                for p in 0..k {
                    let x = a.values[i * a.row_step + p * a.column_step];
                    let y = b.values[p * b.row_step + j * b.column_step];
                    c[i * n + j] = x.mul_add(y, c[i * n + j]);
                }
                if let Some(bias) = bias {
                    c[i * n + j] += bias[j];
                }
            }
        }
        c
    }

    fn every_path_equals_the_naive_loop<T: Real>() {
        let mut draw = generator(3, Stream::Sample, 0, 0);
        let mut numbers =
            |count: usize| -> Vec<T> { (0..count).map(|_| T::from_f64(uniform(&mut draw) - 0.5)).collect() };
        let shapes = [
            (1, 1, 1),
            (7, 5, 3),
            (16, 4, 16),
            (33, 17, 65),
            (6, 64, 32),
            (5, 0, 3),
            (13, 129, 31),
            (12, 8, 8),
            (25, 3, 40),
            (17, 16, 1),
            (40, 260, 33),
            (0, 3, 4),
            (3, 2, 0),
            (70, 16, 4),
            (16, 33, 3),
            (21, 9, 2),
            // Lines that crowd the first cache, so that both operands are copied, in several blocks and sweeps.
            (30, 512, 140),
            (300, 1024, 150),
        ];
        for (m, k, n) in shapes {
            let (a, b, bias) = (numbers(m * k), numbers(k * n), numbers(n));
            for a in [Matrix::rows(&a, k), Matrix::transposed(&a, m)] {
                for b in [Matrix::rows(&b, n), Matrix::transposed(&b, k)] {
                    for bias in [None, Some(&bias[..])] {
                        let expected = naive(a, b, bias, m, k, n);
                        for (set, parts) in sets().into_iter().flat_map(|set| [1, 2, 3].map(|parts| (set, parts))) {
                            let mut c = vec![T::from_f64(9.0); m * n];
                            let (mut packed, threads) = (Packed::default(), Threads::new(parts));
                            let shape = (m, k, n);
                            product_with(set, parts, a, b, bias, &mut c, shape, &mut packed.panels, &threads);
                            assert!(c == expected, "{} {m}x{k}x{n} with {set:?} in {parts} parts", T::NAME);
                            if (2..=NARROW).contains(&n) {
                                c.fill(T::from_f64(9.0));
                                narrow(set, parts, a, b, bias, &mut c, shape, &mut packed, &threads);
                                assert!(c == expected, "{} {m}x{k}x{n} turned, with {set:?}", T::NAME);
                            }
                        }
                    }
                }
            }
        }
    }
    #[test]
    fn every_path_equals_the_naive_loop_in_f32() {
        every_path_equals_the_naive_loop::<f32>();
    }

    #[test]
    fn every_path_equals_the_naive_loop_in_f64() {
        every_path_equals_the_naive_loop::<f64>();
    }
}
