//! A pass of arithmetic is written once, as plain loops over slices, compiled for each instruction set and chosen at run time.
//! The set decides how many elements go through at once, never what is computed: fused steps are fused on every machine.

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

/// The best set of this machine. The standard library remembers what it detected.
#[inline(always)]
pub fn set() -> Set {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw")
        {
            return Set::Avx512;
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return Set::Avx2;
        }
    }
    Set::Portable
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

/// Runs a pass with a set that this machine has, for tests.
#[cfg(test)]
pub fn run_with<P: Pass>(chosen: Set, pass: P) -> P::Output {
    assert!(sets().contains(&chosen));
    match chosen {
        Set::Portable => pass.run(),
        // SAFETY: `sets` names only what this machine has; whatever has AVX-512 has AVX2.
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { with_avx2(pass) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => unsafe { with_avx512(pass) },
    }
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
