//! What a core gives at most: fused multiply-adds on registers alone, enough of them at once that none waits for another.

use super::cpu_seconds;

/// Chains of steps side by side: no more than leave room for two numbers in sixteen registers.
const CHAINS: usize = 12;
const ROUNDS: usize = 10_000_000;

/// GFLOP/s in f32 for each width of registers that is known here and that this machine has.
pub fn measure() -> Vec<(&'static str, f64)> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("fma") {
            // SAFETY: the machine has the instructions.
            found.push(("256 bits", best(8, || unsafe { x86::with_fma() })));
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: as above.
            found.push(("512 bits", best(16, || unsafe { x86::with_avx512() })));
        }
    }
    found
}

fn best(lanes: usize, work: impl Fn()) -> f64 {
    let seconds = |_| {
        let began = cpu_seconds();
        work();
        cpu_seconds() - began
    };
    (2 * lanes * CHAINS * ROUNDS) as f64 / (0..5).map(seconds).fold(f64::MAX, f64::min) / 1e9
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::{CHAINS, ROUNDS};

    #[target_feature(enable = "fma")]
    pub fn with_fma() {
        let (factor, term) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.1)));
        let mut sums = [term; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    pub fn with_avx512() {
        let (factor, term) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.1)));
        let mut sums = [term; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }
}
