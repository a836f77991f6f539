//! The product cut into panels of columns, compiled for each instruction set.

use super::isa::Set;
use super::lanes::{Lanes, Plain};
use super::tile::{self, Panel};
use super::transpose;
use crate::num::Real;

/// Columns that a panel has at most, for any set.
pub const WIDEST: usize = 32;

/// Where b is read as it lies: its rows are in a row, and they are few enough to stay in the first cache, or used too seldom.
const DIRECT_BYTES: usize = 32 << 10;
const DIRECT_ROWS: usize = 16;

/// Panels of b are copied in one sweep over its lines as long as they stay below this many bytes, a part of the second cache: lines far from each other in
/// memory cost more to come to than to read.
const SWEEP_BYTES: usize = 256 << 10;

/// Where the lines of a lie a multiple of so many bytes apart, they share a few places of the first cache and push each other out. Then a is copied too,
/// if at least so many panels read the copy, and not more than so many bytes at once.
const CROWDED_BYTES: usize = 2048;
const WORTH_PANELS: usize = 4;
const BLOCK_BYTES: usize = 1 << 20;

/// Copies begin at a multiple of so many bytes, so that no register is loaded from two lines of the cache.
const ALIGNED: usize = 64;

/// A part of a product.
#[derive(Clone, Copy)]
pub struct Part<T> {
    /// All its rows, columns and k; `b` is not set up yet.
    pub panel: Panel<T>,
    /// Element (p, j) of b is `b[p * steps.0 + j * steps.1]`.
    pub b: *const T,
    pub b_steps: (usize, usize),
    /// Room for as many numbers as [`Wide::room`] says.
    pub packed: *mut T,
}

/// A number whose registers are known.
pub trait Wide: Sized {
    /// Computes a part of a product.
    ///
    /// # Safety
    /// The machine must have `set`, the pointers must be good for the shape, and nobody else may use `c` and `packed` meanwhile.
    unsafe fn compute(set: Set, part: Part<Self>);
    /// Numbers that are copied at once in a product of this shape or of a part of it.
    fn room(set: Set, shape: (usize, usize, usize), a_steps: (usize, usize), b_steps: (usize, usize)) -> usize;
    /// Columns of a panel.
    fn panel_columns(set: Set) -> usize;
}

/// What of a product is copied at once.
struct Cut {
    /// Panels of b; 0 where b is read as it lies.
    sweep: usize,
    /// Rows of a; 0 where a is read as it lies.
    block: usize,
}

#[inline(always)]
fn cut<L: Lanes>((m, k, n): (usize, usize, usize), a_steps: (usize, usize), b_steps: (usize, usize)) -> Cut {
    let number = size_of::<L::Number>();
    if b_steps.1 == 1 && (m <= DIRECT_ROWS || k * b_steps.0 * number <= DIRECT_BYTES) {
        return Cut { sweep: 0, block: 0 };
    }
    let panels = n.div_ceil(2 * L::COUNT);
    let line = (number * k).max(1);
    let apart = if a_steps.1 == 1 { a_steps.0 } else { a_steps.1 } * number;
    let crowded = apart.is_multiple_of(CROWDED_BYTES) && panels >= WORTH_PANELS;
    let block = if crowded { (BLOCK_BYTES / line / L::ROWS * L::ROWS).clamp(L::ROWS, m.max(L::ROWS)) } else { 0 };
    Cut { sweep: (SWEEP_BYTES / (2 * L::COUNT * line)).clamp(1, panels.max(1)), block }
}

#[inline(always)]
fn room<L: Lanes>(shape: (usize, usize, usize), a_steps: (usize, usize), b_steps: (usize, usize)) -> usize {
    let Cut { sweep, block } = cut::<L>(shape, a_steps, b_steps);
    let of_a = block.div_ceil(L::ROWS) * tile::line(L::ROWS);
    shape.1 * (2 * L::COUNT * sweep + of_a) + ALIGNED / size_of::<L::Number>()
}

#[inline(always)]
unsafe fn panels<L: Lanes>(part: Part<L::Number>, avx: bool) {
    let Part { panel: all, b, b_steps, packed } = part;
    let (k, widest) = (all.k, 2 * L::COUNT);
    let Cut { sweep, block } = cut::<L>((all.rows, k, all.columns), (all.a_row, all.a_step), b_steps);
    // SAFETY: the caller's promise, for some of the rows and columns; `packed` has room behind its first aligned number.
    unsafe {
        let packed = packed.add(packed.align_offset(ALIGNED));
        let copy_of_a = packed.add(k * widest * sweep);
        let rows_at_once = if block == 0 { all.rows.max(1) } else { block };
        for first_row in (0..all.rows).step_by(rows_at_once) {
            let mut panel = Panel { rows: rows_at_once.min(all.rows - first_row), ..all };
            panel.a = all.a.add(first_row * all.a_row);
            if block > 0 {
                copy_tiles::<L>(panel, copy_of_a, avx);
                (panel.a, panel.copied) = (copy_of_a, true);
            }
            for first in (0..all.columns).step_by(widest) {
                panel.columns = widest.min(all.columns - first);
                if sweep == 0 {
                    (panel.b, panel.b_step) = (b.add(first * b_steps.1), b_steps.0);
                } else {
                    let place = first / widest % sweep;
                    if place == 0 {
                        let columns = (widest * sweep).min(all.columns - first);
                        transpose::copy::<L>(b.add(first * b_steps.1), b_steps, packed, widest, k, columns, avx);
                    }
                    (panel.b, panel.b_step) = (packed.add(place * widest * k), widest);
                }
                panel.c = all.c.add(first_row * all.c_row + first);
                if !all.bias.is_null() {
                    panel.bias = all.bias.add(first);
                }
                tile::panel::<L>(panel);
            }
        }
    }
}

/// Copies rows of a, tile by tile.
#[inline(always)]
unsafe fn copy_tiles<L: Lanes>(panel: Panel<L::Number>, mut to: *mut L::Number, avx: bool) {
    let Panel { mut a, a_row, a_step, k, .. } = panel;
    for rows in tile::heights::<L>(panel.rows) {
        let line = tile::line(rows);
        // SAFETY: the caller gives room for `line * k` numbers for each tile.
        unsafe {
            transpose::copy::<L>(a, (a_step, a_row), to, line, k, rows, avx);
            a = a.add(rows * a_row);
            to = to.add(line * k);
        }
    }
}

macro_rules! wide {
    ($number:ty, $avx512:ty, $avx2:ty) => {
        impl Wide for $number {
            #[inline]
            unsafe fn compute(set: Set, part: Part<Self>) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                unsafe fn with_avx512(part: Part<$number>) {
                    // SAFETY: the caller's promise.
                    unsafe { panels::<$avx512>(part, true) }
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn with_avx2(part: Part<$number>) {
                    // SAFETY: the caller's promise.
                    unsafe { panels::<$avx2>(part, true) }
                }
                // SAFETY: the caller's promise.
                unsafe {
                    match set {
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx512 => with_avx512(part),
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx2 => with_avx2(part),
                        Set::Portable => panels::<Plain<$number>>(part, false),
                    }
                }
            }

            #[inline]
            fn room(set: Set, shape: (usize, usize, usize), a_steps: (usize, usize), b_steps: (usize, usize)) -> usize {
                match set {
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx512 => room::<$avx512>(shape, a_steps, b_steps),
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx2 => room::<$avx2>(shape, a_steps, b_steps),
                    Set::Portable => room::<Plain<$number>>(shape, a_steps, b_steps),
                }
            }

            fn panel_columns(set: Set) -> usize {
                2 * match set {
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx512 => <$avx512 as Lanes>::COUNT,
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx2 => <$avx2 as Lanes>::COUNT,
                    Set::Portable => <Plain<$number> as Lanes>::COUNT,
                }
            }
        }
    };
}

wide!(f32, std::arch::x86_64::__m512, std::arch::x86_64::__m256);
wide!(f64, std::arch::x86_64::__m512d, std::arch::x86_64::__m256d);

/// A product whose slices have been proved long enough: what `num::product` hands over.
pub struct Job<'a, T> {
    pub a: &'a [T],
    pub a_steps: (usize, usize),
    pub b: &'a [T],
    pub b_steps: (usize, usize),
    pub bias: Option<&'a [T]>,
    pub c: &'a mut [T],
    pub shape: (usize, usize, usize),
}

/// A pointer that threads share; each writes elements of its own.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: see `Job::run`: parts are disjoint.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Real> Job<'_, T> {
    /// Numbers that each part needs for copies.
    #[inline]
    pub fn room(&self, set: Set) -> usize {
        T::room(set, self.shape, self.a_steps, self.b_steps)
    }

    /// Computes the product in `parts` parts with `room` numbers of `packed` for each. The parts differ in columns where there are enough panels, else in rows.
    ///
    /// # Panics
    /// Where a slice is shorter than its shape says.
    pub fn run(self, set: Set, parts: usize, packed: &mut [T], fork: impl FnOnce(usize, &(dyn Fn(usize) + Sync))) {
        let (m, k, n) = self.shape;
        if m == 0 || n == 0 {
            return;
        }
        let reach = |(row, column): (usize, usize), rows: usize, columns: usize| {
            if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
        };
        let room = self.room(set);
        assert!(self.a.len() >= reach(self.a_steps, m, k), "a is shorter than its shape");
        assert!(self.b.len() >= reach(self.b_steps, k, n), "b is shorter than its shape");
        assert!(
            self.c.len() >= m * n && self.bias.is_none_or(|bias| bias.len() >= n),
            "c or bias is shorter than its shape"
        );
        assert!(packed.len() >= parts * room, "no room for packed panels");
        let (b, a_steps, b_steps) = (self.b, self.a_steps, self.b_steps);
        let panel = Panel {
            a: self.a.as_ptr(),
            a_row: a_steps.0,
            a_step: a_steps.1,
            copied: false,
            b: b.as_ptr(),
            b_step: 0,
            c: self.c.as_mut_ptr(),
            c_row: n,
            bias: self.bias.map_or(std::ptr::null(), <[T]>::as_ptr),
            rows: m,
            columns: n,
            k,
        };
        if parts == 1 {
            // SAFETY: the lengths were asserted above.
            return unsafe { T::compute(set, Part { panel, b: b.as_ptr(), b_steps, packed: packed.as_mut_ptr() }) };
        }
        let width = T::panel_columns(set);
        let by_columns = n.div_ceil(width) >= parts;
        let share = |all: usize, unit: usize, part: usize| {
            let units = all.div_ceil(unit);
            ((units * part / parts * unit).min(all), (units * (part + 1) / parts * unit).min(all))
        };
        let (a, c, packed, bias) = (self.a, Shared(panel.c), Shared(packed.as_mut_ptr()), self.bias);
        fork(parts, &move |part: usize| {
            let (c, packed) = (c, packed);
            let (rows, columns) =
                if by_columns { ((0, m), share(n, width, part)) } else { (share(m, 1, part), (0, n)) };
            // SAFETY: the lengths were asserted above; parts have rows or columns of their own, and room of their own.
            unsafe {
                let panel = Panel {
                    a: a.as_ptr().add(rows.0 * a_steps.0),
                    a_row: a_steps.0,
                    a_step: a_steps.1,
                    copied: false,
                    b: b.as_ptr(),
                    b_step: 0,
                    c: c.0.add(rows.0 * n + columns.0),
                    c_row: n,
                    bias: bias.map_or(std::ptr::null(), |bias| bias[columns.0..].as_ptr()),
                    rows: rows.1 - rows.0,
                    columns: columns.1 - columns.0,
                    k,
                };
                let own = packed.0.add(part * room);
                T::compute(set, Part { panel, b: b.as_ptr().add(columns.0 * b_steps.1), b_steps, packed: own });
            }
        });
    }
}
