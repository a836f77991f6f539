//! A pass of arithmetic is written once, as plain loops over slices, compiled for each instruction set and chosen at run time.
//! The set decides how many elements go through at once, never what is computed: fused steps are fused on every machine.

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Arithmetic over slices that is worth wide registers.
pub trait Pass {
    /// What it gives back.
    type Output;
    /// Does it. Mark this, and every function of numbers that it calls, `#[inline(always)]`: only what is inlined is compiled for the wide registers.
    fn run(self) -> Self::Output;
}

/// Runs a pass with the widest instructions of this machine.
#[inline]
pub fn run<P: Pass>(pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    match set() {
        // SAFETY: `set` found these features on this machine.
        Set::Avx512 => return unsafe { with_avx512(pass) },
        // SAFETY: as above.
        Set::Avx2 => return unsafe { with_avx2(pass) },
        Set::Portable => {}
    }
    pass.run()
}

/// Instruction sets that passes are compiled for. On aarch64 the portable one has NEON and fused steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Whatever the target promises.
    Portable,
    /// 256 bits and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best set of this machine, detected once.
#[inline(always)]
pub fn set() -> Set {
    #[cfg(test)]
    if let Some(set) = FORCED.get() {
        return set;
    }
    #[cfg(target_arch = "x86_64")]
    {
        static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
        let mut found = FOUND.load(Ordering::Relaxed);
        if found == UNKNOWN {
            found = detect();
            FOUND.store(found, Ordering::Relaxed);
        }
        match found {
            AVX512 => return Set::Avx512,
            AVX2 => return Set::Avx2,
            _ => {}
        }
    }
    Set::Portable
}

#[cfg(target_arch = "x86_64")]
const UNKNOWN: u8 = 0;
#[cfg(target_arch = "x86_64")]
const PORTABLE: u8 = 1;
#[cfg(target_arch = "x86_64")]
const AVX2: u8 = 2;
#[cfg(target_arch = "x86_64")]
const AVX512: u8 = 3;

#[cfg(target_arch = "x86_64")]
#[cold]
fn detect() -> u8 {
    use std::arch::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("fma")) {
        PORTABLE
    } else if has!("avx512f") && has!("avx512dq") && has!("avx512vl") && has!("avx512bw") {
        AVX512
    } else {
        AVX2
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Set>> = const { std::cell::Cell::new(None) };
}

/// Does `work` with a set that this machine has, on this thread.
#[cfg(test)]
pub fn with_set<R>(set: Set, work: impl FnOnce() -> R) -> R {
    assert!(sets().contains(&set), "{set:?} is not for this machine");
    FORCED.set(Some(set));
    let result = work();
    FORCED.set(None);
    result
}

/// Every set that this machine has, for tests.
#[cfg(test)]
pub fn sets() -> Vec<Set> {
    let all = [
        Set::Portable,
        #[cfg(target_arch = "x86_64")]
        Set::Avx2,
        #[cfg(target_arch = "x86_64")]
        Set::Avx512,
    ];
    let best = all.iter().position(|other| *other == set()).unwrap_or(0);
    all[..=best].to_vec()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn with_avx512<P: Pass>(pass: P) -> P::Output {
    pass.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<P: Pass>(pass: P) -> P::Output {
    pass.run()
}
