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

/// Computes a panel, cut into tiles of nearly equal height.
///
/// # Safety
/// Needs the instruction set of `L`, pointers good for the shape, and `columns <= 2 * L::COUNT`.
#[inline(always)]
pub unsafe fn panel<L: Lanes>(mut this: Panel<L::Number>) {
    let tiles = this.rows.div_ceil(L::ROWS);
    for tile in (1..=tiles).rev() {
        let rows = this.rows.div_ceil(tile);
        // SAFETY: the caller's promise, for a part of the rows.
        unsafe {
            if this.columns > L::COUNT {
                of_height::<L, 2>(this, rows)
            } else {
                of_height::<L, 1>(this, rows)
            }
            this.a = this.a.add(rows * this.a_row);
            this.c = this.c.add(rows * this.c_row);
        }
        this.rows -= rows;
    }
}

/// The number of rows as a constant, so that the registers have names.
#[inline(always)]
unsafe fn of_height<L: Lanes, const WIDE: usize>(this: Panel<L::Number>, rows: usize) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match rows {
                // SAFETY: the caller's promise; the heights beyond `L::ROWS` are never asked for.
                $($rows if $rows <= L::ROWS => unsafe { tile::<L, $rows, WIDE>(this) },)*
                _ => {}
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12);
}

#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const WIDE: usize>(this: Panel<L::Number>) {
    let Panel { mut a, a_row, a_step, mut b, b_step, c, c_row, bias, columns, k, .. } = this;
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
