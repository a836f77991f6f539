//! Inverted dropout: what is kept is divided by its probability in training, so that inference needs nothing. The mask is a function of
//! (seed, epoch, step, lane): it can be drawn again at any time.

use rand::Rng;

use crate::num::random::{Stream, generator};
use crate::num::{Real, random};

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
    let threshold = (p * 4_294_967_296.0) as u64;
    let kept = T::from_f64(1.0 / (1.0 - p));
    for (x, mask) in x.iter_mut().zip(mask) {
        *mask = if u64::from(generator.next_u32()) < threshold { T::ZERO } else { kept };
        *x *= *mask;
    }
}

/// Turns the slope with respect to the dropped output into the one with respect to the input.
pub(super) fn backward<T: Real>(mask: &[T], d: &mut [T]) {
    d.iter_mut().zip(mask).for_each(|(d, &mask)| *d *= mask);
}

/// Adds normal noise of standard deviation `std` to each row's first `width` elements of `stride`.
pub(super) fn add_noise<T: Real>(std: f64, noise: Noise, x: &mut [T], width: usize, stride: usize) {
    let mut generator = generator(noise.seed, Stream::InputNoise, noise.epoch, noise.step);
    for row in x.chunks_exact_mut(stride.max(1)) {
        row[..width].iter_mut().for_each(|x| *x += T::from_f64(std * random::normal(&mut generator)));
    }
}
