//! Inverted dropout: what is kept is divided by its probability in training, so that inference needs nothing. The mask is a function of
//! (seed, epoch, step, lane): it can be drawn again at any time.

use rand::Rng;

use crate::num::random::{Stream, generator};
use crate::num::{Pass, Real, random, run, slices};

/// Where in a run a step is: all that its randomness depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// Epoch of the step.
    pub epoch: u64,
    /// Number of the step.
    pub step: u64,
}

/// Multiplies `x` by a mask of 0 and 1 / (1 - p) and leaves the mask in `mask`.
pub(super) fn forward<T: Real>(p: f64, noise: Noise, lane: u64, x: &mut [T], mask: &mut [T]) {
    let mut generator = generator(noise.seed, Stream::Dropout, noise.epoch, noise.step);
    generator.set_stream(lane);
    // An element is dropped where its 32 random bits, as a fraction, are below p.
    let threshold = (p * 4_294_967_296.0) as u32;
    let kept = T::from_f64(1.0 / (1.0 - p));
    let mut bits = [0; 4 * DRAWN_TOGETHER];
    for (x, mask) in x.chunks_mut(DRAWN_TOGETHER).zip(mask.chunks_mut(DRAWN_TOGETHER)) {
        let bits = &mut bits[..4 * x.len()];
        generator.fill_bytes(bits);
        run(Drop { bits, threshold, kept, x, mask });
    }
}

/// Elements whose bits are drawn at once.
const DRAWN_TOGETHER: usize = 256;

struct Drop<'a, T> {
    bits: &'a [u8],
    threshold: u32,
    kept: T,
    x: &'a mut [T],
    mask: &'a mut [T],
}

impl<T: Real> Pass for Drop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((x, mask), bits) in self.x.iter_mut().zip(self.mask).zip(self.bits.as_chunks::<4>().0) {
            *mask = if u32::from_le_bytes(*bits) < self.threshold { T::ZERO } else { self.kept };
            *x *= *mask;
        }
    }
}

/// Turns the slope with respect to the dropped output into the one with respect to the input.
pub(super) fn backward<T: Real>(mask: &[T], d: &mut [T]) {
    slices::multiply(d, mask);
}

/// Adds normal noise of standard deviation `std` to each row's first `width` elements of `stride`.
pub(super) fn add_noise<T: Real>(std: f64, noise: Noise, x: &mut [T], width: usize, stride: usize) {
    let mut generator = generator(noise.seed, Stream::InputNoise, noise.epoch, noise.step);
    for row in x.chunks_exact_mut(stride.max(1)) {
        row[..width].iter_mut().for_each(|x| *x += T::from_f64(std * random::normal(&mut generator)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_makes_up_for_what_is_dropped() {
        let (mut x, mut mask) = (vec![1.0f32; 10_001], vec![0.0; 10_001]);
        forward(0.3, Noise { seed: 1, epoch: 2, step: 3 }, 4, &mut x, &mut mask);
        let kept = x.iter().filter(|x| **x != 0.0).count() as f64 / x.len() as f64;
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64;
        assert!((kept - 0.7).abs() < 0.02 && (mean - 1.0).abs() < 0.03, "{kept} {mean}");
        assert_eq!(x, mask);
    }

    #[test]
    fn a_mask_is_a_function_of_place_and_lane() {
        let draw = |noise: Noise, lane: u64| {
            let (mut x, mut mask) = (vec![1.0f32; 300], vec![0.0; 300]);
            forward(0.5, noise, lane, &mut x, &mut mask);
            mask
        };
        let here = Noise { seed: 1, epoch: 2, step: 3 };
        assert_eq!(draw(here, 1), draw(here, 1));
        assert_ne!(draw(here, 1), draw(here, 2));
        assert_ne!(draw(here, 1), draw(Noise { step: 4, ..here }, 1));
    }
}
