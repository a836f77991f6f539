//! Copies parts of the operands so that the product reads them in a row: a line of the copy holds what one step of k needs of some columns.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::lanes::Lanes;
use crate::num::Real;

/// `to[p * line + j] = from[p * row + j * column]` for p < k and j < columns. Columns beyond the first `line` go into copies of the same kind, one behind
/// the other. Of a line, places up to the next multiple of 4 may be written.
///
/// # Safety
/// The pointers must be good for these elements, `line <= 2 * L::COUNT` (and a multiple of 4, or no less than `columns` rounded up to one), and the
/// machine must have the set of `L`, and AVX where `avx` says so.
#[inline(always)]
pub unsafe fn copy<L: Lanes>(
    from: *const L::Number,
    (row, column): (usize, usize),
    to: *mut L::Number,
    line: usize,
    k: usize,
    columns: usize,
    avx: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if column == 1 {
            return lines::<L>(from, row, to, line, k, columns);
        }
        for first in (0..columns).step_by(line) {
            let (from, to) = (from.add(first * column), to.add(first * k));
            transposed(from, (row, column), to, line, k, line.min(columns - first), avx);
        }
    }
}

/// Copies lines of whole registers, and of up to two more that are not: a general copy costs more to call than such a line.
#[inline(always)]
unsafe fn lines<L: Lanes>(
    from: *const L::Number,
    step: usize,
    to: *mut L::Number,
    line: usize,
    k: usize,
    columns: usize,
) {
    let whole = (columns - 1) / line;
    let last = columns - whole * line;
    // SAFETY: the masks name no number beyond `columns`; all else is the caller's promise.
    unsafe {
        let (first, second) = (L::mask(last.min(L::COUNT)), L::mask(last.saturating_sub(L::COUNT)));
        let everything = L::mask(L::COUNT);
        for p in 0..k {
            let (mut from, mut to) = (from.add(p * step), to.add(p * line));
            for _ in 0..whole {
                L::load(from).store_masked(to, everything);
                L::load(from.add(L::COUNT)).store_masked(to.add(L::COUNT), everything);
                from = from.add(line);
                to = to.add(line * k);
            }
            L::load_masked(from, first).store_masked(to, first);
            if last > L::COUNT {
                L::load_masked(from.add(L::COUNT), second).store_masked(to.add(L::COUNT), second);
            }
        }
    }
}

/// As [`copy`], where columns are not side by side; `columns <= line`.
#[inline(always)]
unsafe fn transposed<T: Real>(
    from: *const T,
    (row, column): (usize, usize),
    to: *mut T,
    line: usize,
    k: usize,
    columns: usize,
    avx: bool,
) {
    // SAFETY: the caller's promise. The last block of four reads a column again where there are fewer.
    unsafe {
        let mut blocks_k = 0;
        #[cfg(target_arch = "x86_64")]
        if avx && row == 1 && T::BYTES == 4 {
            blocks_k = k / 8 * 8;
            for p in (0..blocks_k).step_by(8) {
                let at = |j: usize| from.add(p + j.min(columns - 1) * column).cast::<f32>();
                let to = to.add(p * line).cast::<f32>();
                let mut j = 0;
                while j + 8 <= columns {
                    block_of_8(at(j), column, to.add(j), line);
                    j += 8;
                }
                while j < columns {
                    block_of_4([at(j), at(j + 1), at(j + 2), at(j + 3)], to.add(j), line);
                    j += 4;
                }
            }
        }
        let _ = avx;
        for p in blocks_k..k {
            for j in 0..columns {
                *to.add(p * line + j) = *from.add(p * row + j * column);
            }
        }
    }
}

/// Transposes 8 by 8 numbers of 4 bytes in registers.
#[cfg(target_arch = "x86_64")]
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

/// Transposes 4 by 8 numbers of 4 bytes in registers: as [`block_of_8`] without the last step.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn block_of_4(from: [*const f32; 4], to: *mut f32, to_step: usize) {
    // SAFETY: the caller gives 8 numbers behind each pointer, and 8 lines of 4.
    unsafe {
        let [a, b, c, d] = from.map(|line| _mm256_loadu_ps(line));
        let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (low_2, high_2) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        let fours = |a, b| [_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b)];
        let [first, second] = fours(low, low_2);
        let [third, fourth] = fours(high, high_2);
        for (i, x) in [first, second, third, fourth].into_iter().enumerate() {
            _mm_storeu_ps(to.add(i * to_step), _mm256_castps256_ps128(x));
            _mm_storeu_ps(to.add((i + 4) * to_step), _mm256_extractf128_ps::<1>(x));
        }
    }
}
