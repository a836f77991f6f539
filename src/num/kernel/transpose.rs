//! Copies a part of `b` so that the product reads it in a row: line p of the copy holds element p of each of some columns.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::lanes::Lanes;
use crate::num::Real;

/// `to[p * to_step + j] = from[p * row + j * column]` for p < k and j < columns.
///
/// # Safety
/// The pointers must be good for these elements, `columns <= 2 * L::COUNT`, and the machine must have the set of `L`, and AVX where
/// `avx` says so.
#[inline(always)]
pub unsafe fn copy<L: Lanes>(
    from: *const L::Number,
    (row, column): (usize, usize),
    to: *mut L::Number,
    to_step: usize,
    k: usize,
    columns: usize,
    avx: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if column == 1 {
            return lines::<L>(from, row, to, to_step, k, columns);
        }
        let (mut blocks_k, mut blocks_columns) = (0, 0);
        #[cfg(target_arch = "x86_64")]
        if avx && row == 1 && L::Number::BYTES == 4 {
            (blocks_k, blocks_columns) = (k / 8 * 8, columns / 8 * 8);
            for j in (0..blocks_columns).step_by(8) {
                for p in (0..blocks_k).step_by(8) {
                    block_of_8(from.add(p + j * column).cast(), column, to.add(p * to_step + j).cast(), to_step);
                }
            }
        }
        for p in 0..k {
            let first = if p < blocks_k { blocks_columns } else { 0 };
            for j in first..columns {
                *to.add(p * to_step + j) = *from.add(p * row + j * column);
            }
        }
    }
}

/// Copies lines of up to two registers: a general copy costs more to call than such a line.
#[inline(always)]
unsafe fn lines<L: Lanes>(
    mut from: *const L::Number,
    step: usize,
    mut to: *mut L::Number,
    to_step: usize,
    k: usize,
    columns: usize,
) {
    // SAFETY: the masks name no number beyond `columns`; all else is the caller's promise.
    unsafe {
        let (first, second) = (L::mask(columns.min(L::COUNT)), L::mask(columns.saturating_sub(L::COUNT)));
        for _ in 0..k {
            L::load_masked(from, first).store_masked(to, first);
            if columns > L::COUNT {
                L::load_masked(from.add(L::COUNT), second).store_masked(to.add(L::COUNT), second);
            }
            from = from.add(step);
            to = to.add(to_step);
        }
    }
}

/// Transposes 8 by 8 numbers of 4 bytes in registers.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx")]
unsafe fn block_of_8(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
    // SAFETY: the caller gives 8 by 8 numbers on both sides.
    unsafe {
        let line = |i: usize| _mm256_loadu_ps(from.add(i * from_step));
        // Pairs of neighbours, then fours, then halves.
        let pairs = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (a, b) = pairs(line(0), line(1));
        let (c, d) = pairs(line(2), line(3));
        let (e, f) = pairs(line(4), line(5));
        let (g, h) = pairs(line(6), line(7));
        let fours = |a, b| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
        let (low, high) = ([fours(a, c), fours(b, d)], [fours(e, g), fours(f, h)]);
        for (i, (low, high)) in low.into_iter().zip(high).enumerate() {
            let store = |line: usize, x| _mm256_storeu_ps(to.add(line * to_step), x);
            store(2 * i, _mm256_permute2f128_ps::<0x20>(low.0, high.0));
            store(2 * i + 1, _mm256_permute2f128_ps::<0x20>(low.1, high.1));
            store(2 * i + 4, _mm256_permute2f128_ps::<0x31>(low.0, high.0));
            store(2 * i + 5, _mm256_permute2f128_ps::<0x31>(low.1, high.1));
        }
    }
}
