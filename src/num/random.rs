//! Randomness as a function: (seed, stream, epoch, step) is the key of a generator, so that nothing has to be saved to go on
//! after an interruption, and no number of threads can change a draw.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// What randomness is for. The numbers are part of the promise of equal bits: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// First values of the weights.
    Init = 1,
    /// Order of the rows in an epoch.
    Shuffle = 2,
    /// Dropout masks.
    Dropout = 3,
    /// Noise on the inputs.
    InputNoise = 4,
    /// Split into parts.
    Split = 5,
    /// Which task a step trains.
    TaskSampling = 6,
    /// Coordinates of a gradient check.
    GradientCheck = 7,
    /// Resampling for intervals.
    Bootstrap = 8,
    /// Rows picked for checks.
    CheckRows = 9,
    /// Generated sample data.
    Sample = 10,
    /// Recipes that a search tries.
    Search = 11,
}

/// A generator for one purpose at one place of a run. Lanes (layers, tensors) within it are chosen by `set_stream`.
pub fn generator(seed: u64, stream: Stream, epoch: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&(stream as u32).to_le_bytes());
    key[16..24].copy_from_slice(&epoch.to_le_bytes());
    key[24..].copy_from_slice(&step.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A number in [0, 1) with 53 bits.
pub fn uniform(generator: &mut ChaCha8Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A number below `n`, each equally likely (Lemire's multiplication with rejection). `n` must not be 0.
pub fn below(generator: &mut ChaCha8Rng, n: u32) -> u32 {
    let threshold = n.wrapping_neg() % n.max(1);
    loop {
        let product = u64::from(generator.next_u32()) * u64::from(n);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// A standard normal number.
pub fn normal(generator: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(generator)
}

/// Fills `out` with a permutation of `0..n` that depends on (seed, stream, epoch) alone (Fisher and Yates).
pub fn permutation(seed: u64, stream: Stream, epoch: u64, n: usize, out: &mut Vec<u32>) {
    out.clear();
    out.extend(0..n as u32);
    let mut generator = generator(seed, stream, epoch, 0);
    for last in (1..n).rev() {
        out.swap(last, below(&mut generator, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_each_number_once_and_depends_on_its_epoch() {
        let (mut first, mut again, mut other) = (Vec::new(), Vec::new(), Vec::new());
        permutation(7, Stream::Shuffle, 1, 1000, &mut first);
        permutation(7, Stream::Shuffle, 1, 1000, &mut again);
        permutation(7, Stream::Shuffle, 2, 1000, &mut other);
        assert_eq!(first, again);
        assert_ne!(first, other);
        first.sort_unstable();
        assert!(first.iter().enumerate().all(|(at, &number)| at as u32 == number));
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let draw = |seed, stream, epoch, step| generator(seed, stream, epoch, step).next_u64();
        let here = draw(1, Stream::Init, 2, 3);
        assert_eq!(here, draw(1, Stream::Init, 2, 3));
        let others = [
            draw(2, Stream::Init, 2, 3),
            draw(1, Stream::Shuffle, 2, 3),
            draw(1, Stream::Init, 3, 3),
            draw(1, Stream::Init, 2, 4),
        ];
        assert!(others.iter().all(|other| *other != here));
    }

    #[test]
    fn numbers_have_their_moments() {
        let mut generator = generator(5, Stream::Sample, 0, 0);
        let n = 100_000;
        let (mut mean, mut square, mut uniform_mean) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = normal(&mut generator);
            mean += x / f64::from(n);
            square += x * x / f64::from(n);
            uniform_mean += uniform(&mut generator) / f64::from(n);
        }
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.03 && (uniform_mean - 0.5).abs() < 0.01);
        assert!((0..1000).all(|_| below(&mut generator, 7) < 7));
    }
}
