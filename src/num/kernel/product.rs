//! The product cut into panels of columns, compiled for each instruction set.

use super::isa::Set;
use super::lanes::{Lanes, Plain};
use super::tile::{self, Panel};
use super::transpose;
use crate::num::Real;

/// Columns that a panel has at most, for any set: room for a packed one has this many times k numbers.
pub const WIDEST: usize = 32;

/// Where b is read as it lies: its rows are in a row, and they are few enough to stay in the first cache, or used too seldom.
const DIRECT_BYTES: usize = 32 << 10;
const DIRECT_ROWS: usize = 16;

/// A part of a product.
#[derive(Clone, Copy)]
pub struct Part<T> {
    /// All its rows, columns and k; `b` is not set up yet.
    pub panel: Panel<T>,
    /// Element (p, j) of b is `b[p * steps.0 + j * steps.1]`.
    pub b: *const T,
    pub b_steps: (usize, usize),
    /// Room for `WIDEST * k` numbers.
    pub packed: *mut T,
}

/// A number whose registers are known.
pub trait Wide: Sized {
    /// Computes a part of a product.
    ///
    /// # Safety
    /// The machine must have `set`, the pointers must be good for the shape, and nobody else may use `c` and `packed` meanwhile.
    unsafe fn compute(set: Set, part: Part<Self>);
    /// Columns of a panel.
    fn panel_columns(set: Set) -> usize;
}

#[inline(always)]
unsafe fn panels<L: Lanes>(part: Part<L::Number>, avx: bool) {
    let Part { mut panel, b, b_steps, packed } = part;
    let (all, widest) = (panel.columns, 2 * L::COUNT);
    let number = size_of::<L::Number>();
    let direct = b_steps.1 == 1 && (panel.rows <= DIRECT_ROWS || panel.k * b_steps.0 * number <= DIRECT_BYTES);
    for first in (0..all).step_by(widest) {
        panel.columns = widest.min(all - first);
        // SAFETY: the caller's promise, for some of the columns.
        unsafe {
            let own = b.add(first * b_steps.1);
            if direct {
                (panel.b, panel.b_step) = (own, b_steps.0);
            } else {
                transpose::copy::<L>(own, b_steps, packed, widest, panel.k, panel.columns, avx);
                (panel.b, panel.b_step) = (packed, widest);
            }
            tile::panel::<L>(panel);
            panel.c = panel.c.add(panel.columns);
            if !panel.bias.is_null() {
                panel.bias = panel.bias.add(panel.columns);
            }
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
    /// Computes the product in `parts` parts with room for as many panels in `packed`. The parts differ in columns where there are enough panels, else in rows.
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
        let room = WIDEST * k;
        assert!(self.a.len() >= reach(self.a_steps, m, k), "a is shorter than its shape");
        assert!(self.b.len() >= reach(self.b_steps, k, n), "b is shorter than its shape");
        assert!(
            self.c.len() >= m * n && self.bias.is_none_or(|bias| bias.len() >= n),
            "c or bias is shorter than its shape"
        );
        assert!(packed.len() >= parts * room, "no room for packed panels");
        let width = T::panel_columns(set);
        let (c, packed) = (Shared(self.c.as_mut_ptr()), Shared(packed.as_mut_ptr()));
        let bias = self.bias;
        let by_columns = n.div_ceil(width) >= parts;
        let (a, b, a_steps, b_steps) = (self.a, self.b, self.a_steps, self.b_steps);
        let share = |all: usize, unit: usize, part: usize| {
            let units = all.div_ceil(unit);
            ((units * part / parts * unit).min(all), (units * (part + 1) / parts * unit).min(all))
        };
        let one = move |part: usize| {
            let (c, packed) = (c, packed);
            let (rows, columns) =
                if by_columns { ((0, m), share(n, width, part)) } else { (share(m, 1, part), (0, n)) };
            // SAFETY: the lengths were asserted above; parts have rows or columns of their own, and panels of their own.
            unsafe {
                let panel = Panel {
                    a: a.as_ptr().add(rows.0 * a_steps.0),
                    a_row: a_steps.0,
                    a_step: a_steps.1,
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
        };
        if parts == 1 { one(0) } else { fork(parts, &one) }
    }
}
