//! Sums in 64 striped lanes and a fixed tree: element i goes to lane i mod 64, lanes are then added pairwise, lane j to lane
//! j + half. They vectorise, and have the same bits for every vector width.

use super::Real;

const LANES: usize = 64;

#[inline(always)]
fn striped<T: Real>(length: usize, mut add: impl FnMut(usize, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let whole = length - length % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum = add(start + lane, *sum);
        }
    }
    for (lane, index) in (whole..length).enumerate() {
        lanes[lane] = add(index, lanes[lane]);
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

/// The sum of all elements.
pub fn sum<T: Real>(x: &[T]) -> T {
    striped(x.len(), |i, sum| sum + x[i])
}

/// The sum of all squares.
pub fn sum_of_squares<T: Real>(x: &[T]) -> T {
    striped(x.len(), |i, sum| x[i].mul_add(x[i], sum))
}

/// The sum of all absolute values.
pub fn sum_of_absolutes<T: Real>(x: &[T]) -> T {
    striped(x.len(), |i, sum| sum + x[i].abs())
}

/// The sum of all products `x[i] * y[i]`, over the shorter length.
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    striped(x.len().min(y.len()), |i, sum| x[i].mul_add(y[i], sum))
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

/// Whether every element is finite.
pub fn all_finite<T: Real>(x: &[T]) -> bool {
    // 0 · x is 0 for a finite x and NaN else; the sum of such zeros vectorises, a loop with an exit does not.
    striped(x.len(), |i, sum| x[i].mul_add(T::ZERO, sum)) == T::ZERO
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
    fn one_bad_element_is_seen() {
        let mut x = vec![1.0f32; 100];
        assert!(all_finite(&x));
        x[77] = f32::INFINITY;
        assert!(!all_finite(&x));
        x[77] = f32::NAN;
        assert!(!all_finite(&x) && max_absolute(&x).is_nan());
    }
}
