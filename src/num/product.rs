//! Matrix products in which each element is one chain of fused multiply-adds over k in ascending order, starting at +0.
//!
//! The order makes every blocking, vector width and split over threads give the same bits, and the naive loop the exact
//! reference. One micro-kernel, written with plain `mul_add`, is compiled for each instruction set and chosen at run time: the
//! set decides how many columns a register holds, never what is computed.
//!
//! Shapes: `a` is `[m, k]`, `b` is `[k, n]`, `c` is `[m, n]`, each row-major or given transposed by its [`Matrix`].
#![allow(unsafe_code)] // functions with `target_feature` are called after the feature was detected

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

    /// The transpose of a row-major matrix with rows of `columns` elements.
    pub fn transposed(values: &'a [T], columns: usize) -> Self {
        Matrix { values, row_step: 1, column_step: columns }
    }
}

/// Columns of a packed panel of `b`.
const PANEL: usize = 32;
/// Rows of a tile of `c`.
const TILE: usize = 6;

/// Room for the packed panels of `b`; made once, grows to the largest product.
#[derive(Clone, Debug, Default)]
pub struct Packed<T> {
    panels: Vec<T>,
}

impl<T: Real> Packed<T> {
    /// Room for products of up to `k` by `n`.
    pub fn with_capacity(k: usize, n: usize) -> Self {
        Packed { panels: vec![T::ZERO; n.div_ceil(PANEL) * PANEL * k] }
    }

    fn fill(&mut self, b: Matrix<'_, T>, k: usize, n: usize) -> &[T] {
        let needed = n.div_ceil(PANEL) * PANEL * k;
        if self.panels.len() < needed {
            self.panels.resize(needed, T::ZERO);
        }
        for (panel, first) in self.panels[..needed].chunks_exact_mut((PANEL * k).max(1)).zip((0..n).step_by(PANEL)) {
            let width = PANEL.min(n - first);
            if b.column_step == 1 {
                for (p, line) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let start = p * b.row_step + first;
                    line[..width].copy_from_slice(&b.values[start..start + width]);
                    line[width..].fill(T::ZERO);
                }
            } else {
                for j in 0..PANEL {
                    if j < width {
                        let column = &b.values[(first + j) * b.column_step..];
                        for p in 0..k {
                            panel[p * PANEL + j] = column[p * b.row_step];
                        }
                    } else {
                        for p in 0..k {
                            panel[p * PANEL + j] = T::ZERO;
                        }
                    }
                }
            }
        }
        &self.panels[..needed]
    }
}

/// Computes `c = a b`. Rows of `c` are split over `threads`.
///
/// # Panics
/// Where a slice is shorter than its shape says.
pub fn product<T: Real>(
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    packed: &mut Packed<T>,
    threads: &Threads,
) {
    let c = &mut c[..m * n];
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.fill(T::ZERO);
        return;
    }
    let panels = packed.fill(b, k, n);
    let run = kernel::<T>();
    threads.split_rows(c, n, m * k * n, |first, rows| {
        // SAFETY: `kernel` returned a function whose instruction set this machine has.
        unsafe { run(a, first, panels, rows, k, n) }
    });
}

/// Computes rows `first..` of `c`, which is as many rows as `c` has.
type Kernel<T> = unsafe fn(Matrix<'_, T>, usize, &[T], &mut [T], usize, usize);

fn kernel<T: Real>() -> Kernel<T> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return with_avx512::<T>;
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return with_avx2::<T>;
        }
    }
    portable::<T>
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn with_avx512<T: Real>(a: Matrix<'_, T>, first: usize, panels: &[T], c: &mut [T], k: usize, n: usize) {
    tiles(a, first, panels, c, k, n);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<T: Real>(a: Matrix<'_, T>, first: usize, panels: &[T], c: &mut [T], k: usize, n: usize) {
    tiles(a, first, panels, c, k, n);
}

fn portable<T: Real>(a: Matrix<'_, T>, first: usize, panels: &[T], c: &mut [T], k: usize, n: usize) {
    tiles(a, first, panels, c, k, n);
}

#[inline(always)]
fn tiles<T: Real>(a: Matrix<'_, T>, first: usize, panels: &[T], c: &mut [T], k: usize, n: usize) {
    let m = c.len() / n;
    for (panel, column) in panels.chunks_exact(PANEL * k).zip((0..n).step_by(PANEL)) {
        let width = PANEL.min(n - column);
        let mut row = 0;
        while row + TILE <= m {
            tile::<T, TILE>(a, first + row, panel, &mut c[row * n + column..], n, width);
            row += TILE;
        }
        while row < m {
            tile::<T, 1>(a, first + row, panel, &mut c[row * n + column..], n, width);
            row += 1;
        }
    }
}

/// One tile of `c`: ROWS rows by up to PANEL columns, held in registers while k runs.
#[inline(always)]
fn tile<T: Real, const ROWS: usize>(
    a: Matrix<'_, T>,
    first: usize,
    panel: &[T],
    c: &mut [T],
    c_step: usize,
    width: usize,
) {
    let mut sums = [[T::ZERO; PANEL]; ROWS];
    for (p, line) in panel.chunks_exact(PANEL).enumerate() {
        for i in 0..ROWS {
            let factor = a.values[(first + i) * a.row_step + p * a.column_step];
            for j in 0..PANEL {
                sums[i][j] = factor.mul_add(line[j], sums[i][j]);
            }
        }
    }
    for (i, sum) in sums.iter().enumerate() {
        c[i * c_step..i * c_step + width].copy_from_slice(&sum[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::random::{Stream, generator, uniform};

    fn naive<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, m: usize, k: usize, n: usize) -> Vec<T> {
        let mut c = vec![T::ZERO; m * n];
        for i in 0..m {
            for j in 0..n {
                for p in 0..k {
                    let x = a.values[i * a.row_step + p * a.column_step];
                    let y = b.values[p * b.row_step + j * b.column_step];
                    c[i * n + j] = x.mul_add(y, c[i * n + j]);
                }
            }
        }
        c
    }

    fn every_path_equals_the_naive_loop<T: Real>() {
        let mut draw = generator(3, Stream::Sample, 0, 0);
        for (m, k, n) in [(1, 1, 1), (7, 5, 3), (16, 4, 16), (33, 17, 65), (6, 64, 32), (5, 0, 3), (13, 129, 31)] {
            let a: Vec<T> = (0..m * k).map(|_| T::from_f64(uniform(&mut draw) - 0.5)).collect();
            let b: Vec<T> = (0..k * n).map(|_| T::from_f64(uniform(&mut draw) - 0.5)).collect();
            for a in [Matrix::rows(&a, k), Matrix::transposed(&a, m)] {
                for b in [Matrix::rows(&b, n), Matrix::transposed(&b, k)] {
                    let expected = naive(a, b, m, k, n);
                    for threads in [1, 2, 3] {
                        let mut c = vec![T::from_f64(9.0); m * n];
                        product(a, b, &mut c, (m, k, n), &mut Packed::default(), &Threads::new(threads));
                        assert!(c == expected, "{} {m}x{k}x{n} on {threads} threads", T::NAME);
                    }
                    if k == 0 {
                        continue;
                    }
                    let mut packed = Packed::default();
                    let panels = packed.fill(b, k, n);
                    let mut c = vec![T::ZERO; m * n];
                    portable(a, 0, panels, &mut c, k, n);
                    assert!(c == expected, "portable {} {m}x{k}x{n}", T::NAME);
                    #[cfg(target_arch = "x86_64")]
                    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                        // SAFETY: the features were just detected.
                        unsafe { with_avx2(a, 0, panels, &mut c, k, n) };
                        assert!(c == expected, "avx2 {} {m}x{k}x{n}", T::NAME);
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
