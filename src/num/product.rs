//! Matrix products in which each element is one chain of fused multiply-adds over k in ascending order, starting at +0.
//!
//! The order makes every blocking, vector width and split over threads give the same bits, and the naive loop the exact
//! reference. The kernels are in `kernel`; the instruction set decides how many columns a register holds, never what is computed.
//!
//! Shapes: `a` is `[m, k]`, `b` is `[k, n]`, `c` is `[m, n]`, each row-major or given transposed by its [`Matrix`].

use super::kernel::isa::{Set, set};
use super::kernel::product::{Job, WIDEST, room};
use super::{Real, threads::Threads};

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

/// Room for a packed panel of `b` for each thread; made once, grows to the largest product.
#[derive(Clone, Debug, Default)]
pub struct Packed<T> {
    panels: Vec<T>,
    turned: Vec<T>,
}

impl<T: Real> Packed<T> {
    /// Room for products of up to `k` on up to `threads` threads.
    pub fn with_capacity(k: usize, threads: usize) -> Self {
        Packed { panels: vec![T::ZERO; WIDEST * k * threads], turned: Vec::new() }
    }
}

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
    let parts = threads.worth(shape.0 * shape.1 * shape.2);
    product_with(set(), parts, a, b, bias, c, shape, packed, threads);
}

#[inline(always)]
fn product_with<T: Real>(
    set: Set,
    parts: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    bias: Option<&[T]>,
    c: &mut [T],
    shape: (usize, usize, usize),
    packed: &mut Packed<T>,
    threads: &Threads,
) {
    let (m, k, n) = shape;
    // So few columns would fill a small part of a register; the transpose has them as rows.
    let is_narrow = (2..=4).contains(&n) && k >= 4 * n && (a.row_step == 1 || 8 * n <= T::panel_columns(set));
    if n != 1 && !is_narrow {
        return as_given(job(a, b, bias, c, shape), set, parts, packed, threads);
    }
    let turn = |c: &mut [T], packed: &mut Packed<T>| {
        as_given(job(b.turned(), a.turned(), None, c, (n, k, m)), set, parts, packed, threads);
    };
    if n == 1 {
        // A single row lies in memory as a single column does.
        turn(c, packed);
        if let Some(bias) = bias {
            c[..m].iter_mut().for_each(|c| *c += bias[0]);
        }
        return;
    }
    let mut turned = std::mem::take(&mut packed.turned);
    if turned.len() < m * n {
        turned.resize(m * n, T::ZERO);
    }
    turn(&mut turned[..m * n], packed);
    match n {
        2 => turn_back::<2, T>(&turned[..m * n], bias, c),
        3 => turn_back::<3, T>(&turned[..m * n], bias, c),
        _ => turn_back::<4, T>(&turned[..m * n], bias, c),
    }
    packed.turned = turned;
}

/// Writes N rows as columns, plus the bias.
fn turn_back<const N: usize, T: Real>(rows: &[T], bias: Option<&[T]>, columns: &mut [T]) {
    let m = rows.len() / N;
    let rows: [&[T]; N] = std::array::from_fn(|j| &rows[j * m..(j + 1) * m]);
    let lines = columns.as_chunks_mut::<N>().0.iter_mut().zip(0..m);
    match bias {
        None => lines.for_each(|(line, i)| *line = std::array::from_fn(|j| rows[j][i])),
        Some(bias) => {
            let bias: [T; N] = std::array::from_fn(|j| bias[j]);
            lines.for_each(|(line, i)| *line = std::array::from_fn(|j| rows[j][i] + bias[j]));
        }
    }
}

fn job<'j, T>(
    a: Matrix<'j, T>,
    b: Matrix<'j, T>,
    bias: Option<&'j [T]>,
    c: &'j mut [T],
    shape: (usize, usize, usize),
) -> Job<'j, T> {
    let (a_steps, b_steps) = ((a.row_step, a.column_step), (b.row_step, b.column_step));
    Job { a: a.values, a_steps, b: b.values, b_steps, bias, c, shape }
}

fn as_given<T: Real>(job: Job<'_, T>, set: Set, parts: usize, packed: &mut Packed<T>, threads: &Threads) {
    let room = room::<T>(job.a_steps, job.shape) * parts;
    if packed.panels.len() < room {
        packed.panels.resize(room, T::ZERO);
    }
    job.run(set, parts, &mut packed.panels, |parts, task| threads.run(parts, task));
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
            (16, 33, 3),
            (70, 16, 4),
            (300, 1024, 150),
            (25, 512, 260),
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
                            product_with(set, parts, a, b, bias, &mut c, (m, k, n), &mut packed, &threads);
                            assert!(c == expected, "{} {m}x{k}x{n} with {set:?} in {parts} parts", T::NAME);
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
