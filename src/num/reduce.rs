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
        let mut lanes = [L::Sum::ZERO; LANES];
        let (x, y) = (self.x.chunks_exact(LANES), self.y.chunks_exact(LANES));
        let (x_rest, y_rest) = (x.remainder(), y.remainder());
        for (x, y) in x.zip(y) {
            for lane in 0..LANES {
                lanes[lane] = L::add(x[lane], y[lane], lanes[lane]);
            }
        }
        for ((sum, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
            *sum = L::add(x, y, *sum);
        }
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }
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

    #[test]
    fn sums_are_exact_on_whole_numbers_of_any_length() {
        for n in [0usize, 1, 63, 64, 65, 200] {
            let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
            assert_eq!(sum(&x), (n * n.saturating_sub(1) / 2) as f64);
            assert_eq!(dot(&x, &x), sum_of_squares(&x));
        }
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
