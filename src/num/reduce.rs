//! Sums in 64 striped lanes and a fixed tree: element i goes to lane i mod 64, lanes are then added pairwise, lane j to lane
//! j + half. They vectorise, and have the same bits for every vector width.

use std::marker::PhantomData;

use super::{Pass, Real, run};

const LANES: usize = 64;

/// How a pair of elements goes into the sum of its lane.
trait Lane<T> {
    type Sum: Real;
    fn add(x: T, y: T, sum: Self::Sum) -> Self::Sum;
}

/// A sum over pairs of elements of two slices.
struct Striped<'a, T, L> {
    x: &'a [T],
    y: &'a [T],
    lane: PhantomData<L>,
}

impl<T: Real, L: Lane<T>> Pass for Striped<'_, T, L> {
    type Output = L::Sum;

    #[inline(always)]
    fn run(self) -> L::Sum {
        let (x, x_rest) = self.x.as_chunks::<LANES>();
        let (y, y_rest) = self.y.as_chunks::<LANES>();
        let mut lanes = Quarters::<L::Sum>::default();
        for (x, y) in x.iter().zip(y) {
            lanes.add::<T, L>(x, y);
        }
        if !x_rest.is_empty() {
            // What zeros add changes no bit: a sum that begins at +0 is never -0.
            let (mut x, mut y) = ([T::ZERO; LANES], [T::ZERO; LANES]);
            x[..x_rest.len()].copy_from_slice(x_rest);
            y[..x_rest.len()].copy_from_slice(&y_rest[..x_rest.len()]);
            lanes.add::<T, L>(&x, &y);
        }
        lanes.total()
    }
}

const QUARTER: usize = LANES / 4;

/// The lanes in four arrays of their own, which the compiler keeps in registers; one array of 64 it keeps in memory, where each sum waits for
/// the one before to be written and read back.
struct Quarters<S>([S; QUARTER], [S; QUARTER], [S; QUARTER], [S; QUARTER]);

impl<S: Real> Default for Quarters<S> {
    #[inline(always)]
    fn default() -> Self {
        Quarters([S::ZERO; QUARTER], [S::ZERO; QUARTER], [S::ZERO; QUARTER], [S::ZERO; QUARTER])
    }
}

impl<S: Real> Quarters<S> {
    #[inline(always)]
    fn add<T: Real, L: Lane<T, Sum = S>>(&mut self, x: &[T; LANES], y: &[T; LANES]) {
        let Quarters(first, second, third, fourth) = self;
        for (quarter, sums) in [first, second, third, fourth].into_iter().enumerate() {
            let (x, y) = (&x[quarter * QUARTER..][..QUARTER], &y[quarter * QUARTER..][..QUARTER]);
            for at in 0..QUARTER {
                sums[at] = L::add(x[at], y[at], sums[at]);
            }
        }
    }

    /// The sum of all lanes: the upper half is added to the lower until one is left.
    #[inline(always)]
    fn total(self) -> S {
        let Quarters(mut first, mut second, third, fourth) = self;
        for at in 0..QUARTER {
            first[at] += third[at];
            second[at] += fourth[at];
        }
        for at in 0..QUARTER {
            first[at] += second[at];
        }
        halves(&mut first)
    }
}

/// The end of the tree. A function of its own, so that how it pairs the lanes has no say in which registers hold them before.
#[inline(never)]
fn halves<S: Real>(lanes: &mut [S; QUARTER]) -> S {
    let mut half = QUARTER / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

macro_rules! lanes {
    ($($(#[$doc:meta])* $visible:vis fn $name:ident($x:ident) -> $sum:ty, $lane:ident: |$so_far:ident| $add:expr;)*) => {$(
        struct $lane;

        impl<T: Real> Lane<T> for $lane {
            type Sum = $sum;

            #[inline(always)]
            fn add($x: T, _: T, $so_far: $sum) -> $sum {
                $add
            }
        }

        $(#[$doc])*
        #[inline]
        $visible fn $name<T: Real>($x: &[T]) -> $sum {
            run(Striped { x: $x, y: $x, lane: PhantomData::<$lane> })
        }
    )*};
}

lanes! {
    /// The sum of all elements.
    pub fn sum(x) -> T, Sum: |sum| sum + x;
    /// The sum of all elements, added up in f64.
    pub fn sum_wide(x) -> f64, SumWide: |sum| sum + x.to_f64();
    /// The sum of all squares, added up in f64: the square of a large f32 is no infinity.
    pub fn sum_of_squares_wide(x) -> f64, SquaresWide: |sum| x.to_f64().mul_add(x.to_f64(), sum);
    /// The sum of all squares.
    pub fn sum_of_squares(x) -> T, Squares: |sum| x.mul_add(x, sum);
    /// The sum of all absolute values.
    pub fn sum_of_absolutes(x) -> T, Absolutes: |sum| sum + x.abs();
    /// 0 · x is 0 for a finite x and NaN else; the sum of such zeros vectorises, a loop with an exit does not.
    fn zeros(x) -> T, Zeros: |sum| x.mul_add(T::ZERO, sum);
}

struct Products;

impl<T: Real> Lane<T> for Products {
    type Sum = T;

    #[inline(always)]
    fn add(x: T, y: T, sum: T) -> T {
        x.mul_add(y, sum)
    }
}

/// The sum of all products `x[i] * y[i]`, over the shorter length.
#[inline]
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let length = x.len().min(y.len());
    run(Striped { x: &x[..length], y: &y[..length], lane: PhantomData::<Products> })
}

struct SquaredDifferences;

impl<T: Real> Lane<T> for SquaredDifferences {
    type Sum = f64;

    #[inline(always)]
    fn add(x: T, y: T, sum: f64) -> f64 {
        let apart = x.to_f64() - y.to_f64();
        apart.mul_add(apart, sum)
    }
}

/// The sum of the squares of all `x[i] - y[i]`, over the shorter length, added up in f64.
pub fn sum_of_squared_differences_wide<T: Real>(x: &[T], y: &[T]) -> f64 {
    let length = x.len().min(y.len());
    run(Striped { x: &x[..length], y: &y[..length], lane: PhantomData::<SquaredDifferences> })
}

/// Mean and standard deviation (over n), added up in f64; zeros of nothing.
pub fn moments<T: Real>(x: &[T]) -> (f64, f64) {
    let count = x.len().max(1) as f64;
    let mean = sum_wide(x) / count;
    (mean, (run(Spread { x, mean }) / count).sqrt())
}

/// The sum of squared distances from a number.
struct Spread<'a, T> {
    x: &'a [T],
    mean: f64,
}

impl<T: Real> Pass for Spread<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut lanes = [0.0_f64; LANES];
        let whole = self.x.chunks_exact(LANES);
        let rest = whole.remainder();
        for x in whole.chain([rest]) {
            for (sum, x) in lanes.iter_mut().zip(x) {
                let apart = x.to_f64() - self.mean;
                *sum = apart.mul_add(apart, *sum);
            }
        }
        lanes.iter().sum()
    }
}

/// How many elements are farther from `middle` than `reach`; a number that is not finite counts where it is infinite.
pub fn count_beyond<T: Real>(x: &[T], middle: f64, reach: f64) -> usize {
    run(Beyond { x, middle: T::from_f64(middle), reach: T::from_f64(reach) })
}

struct Beyond<'a, T> {
    x: &'a [T],
    middle: T,
    reach: T,
}

impl<T: Real> Pass for Beyond<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        // Counted in narrow numbers, a stretch at a time, so that as many go together as of the elements.
        let of = |x: &[T]| x.iter().map(|x| u32::from((*x - self.middle).abs() > self.reach)).sum::<u32>() as usize;
        self.x.chunks(1 << 16).map(of).sum()
    }
}

/// The sum of all squares in some rows of a row-major matrix with rows of `width` elements: as [`sum_of_squares`] of each, added up in f64.
pub fn sum_of_squares_of_rows<T: Real>(x: &[T], width: usize, rows: &[u32]) -> f64 {
    run(SquaresOfRows { x, width, rows })
}

struct SquaresOfRows<'a, T> {
    x: &'a [T],
    width: usize,
    rows: &'a [u32],
}

impl<T: Real> Pass for SquaresOfRows<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sum = 0.0;
        for &row in self.rows {
            let x = &self.x[row as usize * self.width..][..self.width];
            sum += Striped { x, y: x, lane: PhantomData::<Squares> }.run().to_f64();
        }
        sum
    }
}

/// Whether every element is finite.
pub fn all_finite<T: Real>(x: &[T]) -> bool {
    zeros(x) == T::ZERO
}

/// The largest absolute value; NaN where any element is NaN; 0 of nothing.
pub fn max_absolute<T: Real>(x: &[T]) -> T {
    let mut largest = T::ZERO;
    for &value in x {
        if value.is_nan() {
            return value;
        }
        largest = largest.maximum(value.abs());
    }
    largest
}

/// The sum of each column of a row-major matrix with rows as long as `sums`: one chain for each, over ascending rows.
#[inline]
pub fn column_sums<T: Real>(x: &[T], sums: &mut [T]) {
    sums.fill(T::ZERO);
    add_column_sums(x, sums);
}

/// Goes on with the chains of [`column_sums`] over more rows.
#[inline]
pub fn add_column_sums<T: Real>(x: &[T], sums: &mut [T]) {
    run(Columns { x, y: x, sums, lane: PhantomData::<Sum> });
}

/// The sum of the products in each column of two row-major matrices with rows as long as `sums`: one chain for each, over ascending rows.
#[inline]
pub fn column_dots<T: Real>(x: &[T], y: &[T], sums: &mut [T]) {
    sums.fill(T::ZERO);
    run(Columns { x, y, sums, lane: PhantomData::<Products> });
}

struct Columns<'a, T, L> {
    x: &'a [T],
    y: &'a [T],
    sums: &'a mut [T],
    lane: PhantomData<L>,
}

impl<T: Real, L: Lane<T, Sum = T>> Pass for Columns<'_, T, L> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let columns = self.sums.len();
        let mut first = 0;
        while first < columns {
            first += match columns - first {
                16.. => self.block::<16>(first),
                4.. => self.block::<4>(first),
                _ => self.block::<1>(first),
            };
        }
    }
}

impl<T: Real, L: Lane<T, Sum = T>> Columns<'_, T, L> {
    /// Some columns from `first` on are summed together, in registers; says how many.
    #[inline(always)]
    fn block<const COUNT: usize>(&mut self, first: usize) -> usize {
        let columns = self.sums.len();
        let sums = &mut self.sums[first..first + COUNT];
        let mut totals = [T::ZERO; COUNT];
        totals.copy_from_slice(sums);
        for (x, y) in self.x.chunks_exact(columns).zip(self.y.chunks_exact(columns)) {
            let (x, y) = (&x[first..first + COUNT], &y[first..first + COUNT]);
            for at in 0..COUNT {
                totals[at] = L::add(x[at], y[at], totals[at]);
            }
        }
        sums.copy_from_slice(&totals);
        COUNT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{sets, with_set};

    #[test]
    fn sums_are_exact_on_whole_numbers_of_any_length() {
        for n in [0usize, 1, 63, 64, 65, 200] {
            let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
            assert_eq!(sum(&x), (n * n.saturating_sub(1) / 2) as f64);
            assert_eq!(dot(&x, &x), sum_of_squares(&x));
        }
    }

    /// What the head of this file says, in the plainest loops.
    fn striped(x: &[f32], y: &[f32], add: impl Fn(f32, f32, f32) -> f32) -> f32 {
        let mut lanes = [0.0; LANES];
        x.iter().zip(y).enumerate().for_each(|(i, (&x, &y))| lanes[i % LANES] = add(x, y, lanes[i % LANES]));
        let mut half = LANES / 2;
        while half > 0 {
            (0..half).for_each(|lane| lanes[lane] += lanes[lane + half]);
            half /= 2;
        }
        lanes[0]
    }

    #[test]
    fn sums_have_the_bits_of_striped_lanes_with_every_set() {
        for n in [0usize, 1, 15, 16, 17, 63, 64, 65, 127, 1000, 4097] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1013) as f32 / 97.0 - 5.0).collect();
            let y: Vec<f32> = (0..n).map(|i| -1.0 / (i as f32 + 0.5)).collect();
            let squares = striped(&x, &x, |x, _, sum| x.mul_add(x, sum));
            for set in sets() {
                with_set(set, || {
                    assert_eq!(sum(&y).to_bits(), striped(&y, &y, |y, _, sum| sum + y).to_bits(), "{n} {set:?}");
                    assert_eq!(dot(&x, &y).to_bits(), striped(&x, &y, f32::mul_add).to_bits(), "{n} {set:?}");
                    assert_eq!(sum_of_squares(&x).to_bits(), squares.to_bits(), "{n} {set:?}");
                    assert_eq!(sum_of_squares_of_rows(&x, n, &[0]), f64::from(squares), "{n} {set:?}");
                });
            }
        }
        // No zero among what is padded makes a sum of nothing but -0 into another zero than the plain loops do.
        assert_eq!(sum(&[-0.0f32; 70]).to_bits(), 0.0f32.to_bits());
    }

    #[test]
    fn columns_are_summed_apart() {
        for columns in [1usize, 3, 16, 37] {
            let x: Vec<f32> = (0..5 * columns).map(|i| i as f32).collect();
            let mut sums = vec![9.0; columns];
            column_sums(&x, &mut sums);
            let expected: Vec<f32> = (0..columns).map(|j| (10 * columns + 5 * j) as f32).collect();
            assert_eq!(sums, expected);
            column_dots(&x, &vec![2.0; x.len()], &mut sums);
            assert!(sums.iter().zip(expected).all(|(seen, expected)| *seen == 2.0 * expected));
        }
    }

    #[test]
    fn moments_and_counts_are_those_of_the_plain_loops() {
        for n in [0usize, 1, 63, 64, 65, 1000] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
            let count = n.max(1) as f64;
            let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
            let std = (x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count).sqrt();
            let found = moments(&x);
            assert!((found.0 - mean).abs() < 1e-12 && (found.1 - std).abs() < 1e-12, "{found:?}");
            assert_eq!(count_beyond(&x, 0.0, 0.5), x.iter().filter(|x| x.abs() > 0.5).count());
            let apart = sum_of_squared_differences_wide(&x, &vec![0.0; n]);
            assert!((apart - sum_of_squares_wide(&x)).abs() < 1e-12 * apart.max(1.0));
        }
        assert_eq!(sum_of_squares_wide(&[f32::MAX]), f64::from(f32::MAX).powi(2));
    }

    #[test]
    fn one_bad_element_is_seen() {
        let mut x = vec![1.0f32; 100];
        assert!(all_finite(&x));
        x[77] = f32::INFINITY;
        assert!(!all_finite(&x));
        x[77] = f32::NAN;
        assert!(!all_finite(&x) && max_absolute(&x).is_nan());
    }
}
