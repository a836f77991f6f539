//! The product's inner part: a tile of `c` is held in registers while k runs, then written once. Each of its elements is one chain
//! of fused steps over k in ascending order that starts at +0; a bias is added last.

use super::lanes::Lanes;

/// Columns `..columns` of all `rows` rows of c = a b + bias, where b is so narrow that two registers hold a row of it.
#[derive(Clone, Copy)]
pub struct Panel<T> {
    /// Element (i, p) of a is `a[i * a_row + p * a_step]`.
    pub a: *const T,
    pub a_row: usize,
    pub a_step: usize,
    /// Element (p, j) of b is `b[p * b_step + j]`.
    pub b: *const T,
    pub b_step: usize,
    /// Element (i, j) of c is `c[i * c_row + j]`.
    pub c: *mut T,
    pub c_row: usize,
    /// One number for each column, or null.
    pub bias: *const T,
    pub rows: usize,
    pub columns: usize,
    pub k: usize,
}

/// Computes the product of some rows: a tile.
pub type Tile<T> = unsafe fn(&Panel<T>);

/// Computes a panel of `ROWS` rows, a constant so that the registers have names.
///
/// # Safety
/// Needs the instruction set of `L`, pointers good for the shape, and columns for the last of `WIDE` registers, but not for more.
#[inline(always)]
pub unsafe fn tile<L: Lanes, const ROWS: usize, const WIDE: usize>(this: &Panel<L::Number>) {
    let Panel { mut a, a_row, a_step, mut b, b_step, c, c_row, bias, columns, k, .. } = *this;
    // SAFETY: the first registers of a row are whole, the last has `columns - whole` numbers; all else is the caller's promise.
    unsafe {
        let whole = (WIDE - 1) * L::COUNT;
        let last = L::mask(columns - whole);
        let mut sums = [[L::spread(L::Number::default()); WIDE]; ROWS];
        for _ in 0..k {
            let mut line = [L::load_masked(b.add(whole), last); WIDE];
            for (place, register) in line[..WIDE - 1].iter_mut().enumerate() {
                *register = L::load(b.add(place * L::COUNT));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = L::spread(*a.add(row * a_row));
                for (sum, line) in sums.iter_mut().zip(line) {
                    *sum = factor.fused(line, *sum);
                }
            }
            a = a.add(a_step);
            b = b.add(b_step);
        }
        let everything = L::mask(L::COUNT);
        for place in 0..WIDE {
            let mask = if place + 1 == WIDE { last } else { everything };
            let first = place * L::COUNT;
            if !bias.is_null() {
                let bias = L::load_masked(bias.add(first), mask);
                sums.iter_mut().for_each(|sums| sums[place] = sums[place].plus(bias));
            }
            for (row, sums) in sums.iter().enumerate() {
                sums[place].store_masked(c.add(row * c_row + first), mask);
            }
        }
    }
}
