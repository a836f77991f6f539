//! A register of numbers, for each instruction set: load, spread, fused step, store.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::num::Real;

/// A register of `COUNT` numbers.
///
/// # Safety
/// Every function needs the instruction set of the type. Pointers must be good for `COUNT` numbers, or for those that the mask names.
pub unsafe trait Lanes: Copy {
    /// What it holds.
    type Number: Real;
    /// Which of its numbers take part in a load or store.
    type Mask: Copy;
    /// How many it holds.
    const COUNT: usize;

    /// The mask of the first `n` numbers.
    unsafe fn mask(n: usize) -> Self::Mask;
    /// `x` in each place.
    unsafe fn spread(x: Self::Number) -> Self;
    /// Numbers from memory.
    unsafe fn load(from: *const Self::Number) -> Self;
    /// Numbers from memory, 0 where the mask says no.
    unsafe fn load_masked(from: *const Self::Number, mask: Self::Mask) -> Self;
    /// Numbers to memory where the mask says yes.
    unsafe fn store_masked(self, to: *mut Self::Number, mask: Self::Mask);
    /// self · a + b, rounded once.
    unsafe fn fused(self, a: Self, b: Self) -> Self;
    /// self + a.
    unsafe fn plus(self, a: Self) -> Self;
}

/// Registers of any machine: arrays.
#[derive(Clone, Copy)]
pub struct Plain<T>([T; 8]);

// SAFETY: needs nothing; touches `from[..8]`, or as many as the mask says.
unsafe impl<T: Real> Lanes for Plain<T> {
    type Number = T;
    type Mask = usize;
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }
    #[inline(always)]
    unsafe fn spread(x: T) -> Self {
        Plain([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller gives 8 numbers.
        Plain(unsafe { from.cast::<[T; 8]>().read() })
    }
    #[inline(always)]
    unsafe fn load_masked(from: *const T, mask: usize) -> Self {
        let mut all = [T::ZERO; 8];
        for (place, x) in all.iter_mut().enumerate().take(mask) {
            // SAFETY: the caller gives `mask` numbers.
            *x = unsafe { *from.add(place) };
        }
        Plain(all)
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut T, mask: usize) {
        for (place, x) in self.0.iter().enumerate().take(mask) {
            // SAFETY: the caller gives `mask` places.
            unsafe { *to.add(place) = *x };
        }
    }
    #[inline(always)]
    unsafe fn fused(self, a: Self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i].mul_add(a.0[i], b.0[i])))
    }
    #[inline(always)]
    unsafe fn plus(self, a: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + a.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! wide {
    ($register:ty, $number:ty, $count:literal, $mask:ty, |$n:ident| $make_mask:expr, $spread:ident, $load:ident,
     |$from:ident, $load_by:ident| $load_masked:expr, |$to:ident, $store_by:ident, $value:ident| $store_masked:expr, $fused:ident, $plus:ident) => {
        // SAFETY: each function is the instruction of its name; the caller has the set and gives good pointers.
        unsafe impl Lanes for $register {
            type Number = $number;
            type Mask = $mask;
            const COUNT: usize = $count;

            #[inline(always)]
            unsafe fn mask($n: usize) -> $mask {
                // SAFETY: the caller has the set.
                #[allow(unused_unsafe)]
                unsafe {
                    $make_mask
                }
            }
            #[inline(always)]
            unsafe fn spread(x: $number) -> Self {
                // SAFETY: the caller has the set.
                unsafe { $spread(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $number) -> Self {
                // SAFETY: the caller has the set and gives COUNT numbers.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_masked($from: *const $number, $load_by: $mask) -> Self {
                // SAFETY: the caller has the set; only numbers of the mask are read.
                unsafe { $load_masked }
            }
            #[inline(always)]
            unsafe fn store_masked(self, $to: *mut $number, $store_by: $mask) {
                let $value = self;
                // SAFETY: the caller has the set; only numbers of the mask are written.
                unsafe { $store_masked }
            }
            #[inline(always)]
            unsafe fn fused(self, a: Self, b: Self) -> Self {
                // SAFETY: the caller has the set.
                unsafe { $fused(self, a, b) }
            }
            #[inline(always)]
            unsafe fn plus(self, a: Self) -> Self {
                // SAFETY: the caller has the set.
                unsafe { $plus(self, a) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
wide!(
    __m512,
    f32,
    16,
    __mmask16,
    |n| ((1u32 << n) - 1) as __mmask16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    |from, mask| _mm512_maskz_loadu_ps(mask, from),
    |to, mask, x| _mm512_mask_storeu_ps(to, mask, x),
    _mm512_fmadd_ps,
    _mm512_add_ps
);
#[cfg(target_arch = "x86_64")]
wide!(
    __m512d,
    f64,
    8,
    __mmask8,
    |n| ((1u32 << n) - 1) as __mmask8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    |from, mask| _mm512_maskz_loadu_pd(mask, from),
    |to, mask, x| _mm512_mask_storeu_pd(to, mask, x),
    _mm512_fmadd_pd,
    _mm512_add_pd
);
#[cfg(target_arch = "x86_64")]
wide!(
    __m256,
    f32,
    8,
    __m256i,
    |n| _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
    _mm256_set1_ps,
    _mm256_loadu_ps,
    |from, mask| _mm256_maskload_ps(from, mask),
    |to, mask, x| _mm256_maskstore_ps(to, mask, x),
    _mm256_fmadd_ps,
    _mm256_add_ps
);
#[cfg(target_arch = "x86_64")]
wide!(
    __m256d,
    f64,
    4,
    __m256i,
    |n| _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)),
    _mm256_set1_pd,
    _mm256_loadu_pd,
    |from, mask| _mm256_maskload_pd(from, mask),
    |to, mask, x| _mm256_maskstore_pd(to, mask, x),
    _mm256_fmadd_pd,
    _mm256_add_pd
);
