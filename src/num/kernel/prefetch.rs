//! A hint to the machine that some numbers are about to be used. It changes no result, and costs nothing where it is not known.

/// Asks for the lines of the cache that hold `x`, so that a row far away in memory is at hand when its turn comes.
#[inline(always)]
pub fn prefetch<T>(x: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        for at in (0..size_of_val(x)).step_by(LINE) {
            // SAFETY: the address is within the slice, and a hint reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().cast::<i8>().add(at)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = x;
}
