//! Counting distinct values in bounded memory: exactly up to a bound, above it by a sketch that says it is one.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash64;

/// Index bits of the sketch: 16,384 registers, a standard error of 0.8 %.
const BITS: u32 = 14;

/// Mixes a value into a hash; the order of the values counts.
#[inline]
pub(super) fn mix(hash: u64, value: u64) -> u64 {
    // The high and the low half of a product of 128 bits (as in wyhash): every bit of both goes into every bit of the result.
    let product = u128::from(hash ^ value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product >> 64) as u64 ^ product as u64
}

/// The hash of a number's bits; 0 and -0 are one, and so are all NaNs.
#[inline]
pub(super) fn of_number(x: f64) -> u64 {
    mix(0, number_bits(x))
}

/// Bits that are equal for equal numbers.
#[inline]
pub(super) fn number_bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

pub(super) fn of_text(text: &str) -> u64 {
    XxHash64::oneshot(0, text.as_bytes())
}

/// Takes what is a hash already as it is.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix(self.0, u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A set of hashes.
pub(super) type HashedSet = HashSet<u64, BuildHasherDefault<Hashed>>;

/// Counts distinct hashes: exactly while there are at most `most`, then by a sketch.
pub(super) struct Distinct {
    most: usize,
    exact: HashedSet,
    sketch: Option<HyperLogLog>,
}

impl Distinct {
    pub(super) fn new(most: usize) -> Distinct {
        Distinct { most, exact: HashedSet::default(), sketch: None }
    }

    /// Of all these hashes. Where the first of them show already that they are too many, none is kept: a set that is then thrown away costs
    /// more than all else.
    pub(super) fn of(most: usize, hashes: impl ExactSizeIterator<Item = u64> + Clone) -> Distinct {
        if hashes.len() > 2 * most {
            let mut sketch = HyperLogLog::new();
            let mut rest = hashes.clone();
            rest.by_ref().take(2 * most).for_each(|hash| {
                sketch.insert(hash);
            });
            // Far more than the sketch can be wrong by.
            if sketch.count() as usize > most + most / 4 {
                rest.for_each(|hash| {
                    sketch.insert(hash);
                });
                return Distinct { most, exact: HashedSet::default(), sketch: Some(sketch) };
            }
        }
        let exact = HashedSet::with_capacity_and_hasher(hashes.len().min(most) + 1, BuildHasherDefault::default());
        let mut distinct = Distinct { most, exact, sketch: None };
        hashes.for_each(|hash| {
            distinct.insert(hash);
        });
        distinct
    }

    /// Takes a hash; says whether it is new, as far as it is known.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        if let Some(sketch) = &mut self.sketch {
            return sketch.insert(hash);
        }
        let is_new = self.exact.insert(hash);
        if self.exact.len() > self.most {
            let mut sketch = HyperLogLog::new();
            self.exact.drain().for_each(|hash| {
                sketch.insert(hash);
            });
            self.exact = HashedSet::default();
            self.sketch = Some(sketch);
        }
        is_new
    }

    pub(super) fn is_exact(&self) -> bool {
        self.sketch.is_none()
    }

    pub(super) fn count(&self) -> u64 {
        self.sketch.as_ref().map_or(self.exact.len() as u64, HyperLogLog::count)
    }
}

/// HyperLogLog (Flajolet and others 2007), with Ertl's improved estimator (2017), which needs no corrections.
pub(super) struct HyperLogLog {
    registers: Vec<u8>,
}

impl HyperLogLog {
    pub(super) fn new() -> HyperLogLog {
        HyperLogLog { registers: vec![0; 1 << BITS] }
    }

    /// Takes a hash; says whether anything changed.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        // Mixed once more: hashes that are values themselves must not fill few registers.
        let hash = mix(0x2545_f491_4f6c_dd1d, hash);
        let register = &mut self.registers[(hash >> (64 - BITS)) as usize];
        let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
        let raises = rank > *register;
        if raises {
            *register = rank;
        }
        raises
    }

    pub(super) fn count(&self) -> u64 {
        let m = self.registers.len() as f64;
        let mut counts = [0u32; 66];
        self.registers.iter().for_each(|rank| counts[usize::from(*rank)] += 1);
        let q = 64 - BITS as usize;
        let mut z = m * tau(1.0 - f64::from(counts[q + 1]) / m);
        for k in (1..=q).rev() {
            z = 0.5 * (z + f64::from(counts[k]));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_and_many_estimated_within_two_percent() {
        for (n, most) in [(0u64, 10), (10, 10), (11, 10), (5_000, 1_000), (100_000, 1_000), (3_000_000, 65_536)] {
            let mut distinct = Distinct::new(most);
            for i in 0..n {
                distinct.insert(of_number(i as f64));
                distinct.insert(of_number((i / 2) as f64));
            }
            assert_eq!(distinct.is_exact(), n <= most as u64);
            let error = distinct.count().abs_diff(n) as f64;
            assert!(
                error <= if distinct.is_exact() { 0.0 } else { 0.02 * n as f64 + 1.0 },
                "{n}: {}",
                distinct.count()
            );
        }
    }

    #[test]
    fn all_at_once_are_counted_as_one_by_one() {
        for (n, distinct, most) in [
            (0u64, 1, 10),
            (500, 10, 10),
            (500, 11, 10),
            (500, 500, 10),
            (90_000, 1_240, 1_000),
            (90_000, 9_000, 1_000),
        ] {
            let hashes: Vec<u64> = (0..n).map(|i| of_number((i % distinct) as f64)).collect();
            let at_once = Distinct::of(most, hashes.iter().copied());
            let mut one_by_one = Distinct::new(most);
            hashes.iter().for_each(|hash| {
                one_by_one.insert(*hash);
            });
            assert_eq!(
                (at_once.count(), at_once.is_exact()),
                (one_by_one.count(), one_by_one.is_exact()),
                "{n} hashes, {distinct} distinct ones"
            );
        }
    }

    #[test]
    fn zeros_are_one_number_and_nans_another() {
        assert_eq!(of_number(0.0), of_number(-0.0));
        assert_eq!(of_number(f64::NAN), of_number(f64::from_bits(0x7ff8_0000_0000_0007)));
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
    }
}
