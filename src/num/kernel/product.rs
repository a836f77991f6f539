//! The product cut into panels of columns, compiled for each instruction set.

use super::isa::Set;
use super::lanes::{Lanes, Plain};
use super::tile::{Panel, Tile, tile};
use super::transpose;
use crate::num::Real;

/// Columns that a panel has at most, for any set: room for a packed one has this many times k numbers.
pub const WIDEST: usize = 32;

/// Where b is read as it lies: its rows are in a row, and they are few enough to stay in the first cache, or used too seldom.
const DIRECT_BYTES: usize = 32 << 10;
const DIRECT_ROWS: usize = 16;

/// Rows of a that lie a multiple of so many bytes apart fall on the same places of the first cache, which has room for fewer of them than a
/// tile is high. Where many panels read them they are copied first, with a gap behind each.
const SAME_PLACE_BYTES: usize = 2048;
const GAP: usize = 16;
const MANY_COLUMNS: usize = 128;
const FEW_ROWS: usize = 8;

fn copies_rows<T>((row, step): (usize, usize), (m, _, n): (usize, usize, usize)) -> bool {
    step == 1 && (row * size_of::<T>()).is_multiple_of(SAME_PLACE_BYTES) && n >= MANY_COLUMNS && m > FEW_ROWS
}

/// Room for the copies of a part: a panel of b, and perhaps the rows of a.
pub fn room<T>(a_steps: (usize, usize), shape: (usize, usize, usize)) -> usize {
    let (m, k, _) = shape;
    WIDEST * k + if copies_rows::<T>(a_steps, shape) { m * (k + GAP) } else { 0 }
}

/// A part of a product.
pub struct Part<T> {
    /// All its rows, columns and k; `b` is not set up yet.
    pub panel: Panel<T>,
    /// Element (p, j) of b is `b[p * steps.0 + j * steps.1]`.
    pub b: *const T,
    pub b_steps: (usize, usize),
    /// Room for as many numbers as [`room`] says of all its rows and columns.
    pub packed: *mut T,
}

/// A number whose registers are known.
pub trait Wide: Sized {
    /// Computes a part of a product.
    ///
    /// # Safety
    /// The machine must have `set`, the pointers must be good for the shape, and nobody else may use `c` and `packed` meanwhile.
    unsafe fn compute(set: Set, part: &mut Part<Self>);
    /// Columns of a panel.
    fn panel_columns(set: Set) -> usize;
}

/// Registers with what is compiled for their instruction set. Each is a function of its own: what one of them keeps in registers need not be
/// made ready where another is called.
trait Kernels: Lanes {
    /// The tiles of each height from 1 on, of one and of two registers a row.
    const TILES: &'static [[Tile<Self::Number>; 2]];
    /// Copies columns of b into a panel: see [`transpose::copy`].
    unsafe fn pack(from: *const Self::Number, steps: (usize, usize), to: *mut Self::Number, k: usize, columns: usize);
}

/// Goes through a part panel by panel, and through each tile by tile; tiles are of nearly equal height.
///
/// # Safety
/// As for [`Wide::compute`].
unsafe fn panels<L: Kernels>(part: &mut Part<L::Number>) {
    let (b, b_steps, packed, panel) = (part.b, part.b_steps, part.packed, &mut part.panel);
    let (all, widest, rows) = (panel.columns, 2 * L::COUNT, panel.rows);
    let (mut first_a, mut first_c) = (panel.a, panel.c);
    let number = size_of::<L::Number>();
    let direct = b_steps.1 == 1 && (rows <= DIRECT_ROWS || panel.k * b_steps.0 * number <= DIRECT_BYTES);
    let highest = L::TILES.len();
    let tiles = rows.div_ceil(highest);
    // A division takes longer than a row of a small tile.
    let (least, higher) = match tiles {
        0 | 1 => (rows, 0),
        2 => (rows / 2, rows % 2),
        _ => (rows / tiles, rows % tiles),
    };
    if copies_rows::<L::Number>((panel.a_row, panel.a_step), (rows, panel.k, all)) {
        // SAFETY: the caller's promise: the rows are there, and room for their copies behind that of a panel.
        unsafe {
            let (from, step, to) = (first_a, panel.k + GAP, packed.add(WIDEST * panel.k));
            (0..rows).for_each(|i| from.add(i * panel.a_row).copy_to_nonoverlapping(to.add(i * step), panel.k));
            (first_a, panel.a_row) = (to, step);
        }
    }
    for first in (0..all).step_by(widest) {
        panel.columns = widest.min(all - first);
        let wide = usize::from(panel.columns > L::COUNT);
        // SAFETY: the caller's promise, for some of the columns and of the rows.
        unsafe {
            let own = b.add(first * b_steps.1);
            if direct {
                (panel.b, panel.b_step) = (own, b_steps.0);
            } else {
                L::pack(own, b_steps, packed, panel.k, panel.columns);
                (panel.b, panel.b_step) = (packed, widest);
            }
            (panel.a, panel.c) = (first_a, first_c);
            for place in 0..tiles {
                panel.rows = least + usize::from(place < higher);
                L::TILES[panel.rows - 1][wide](panel);
                panel.a = panel.a.add(panel.rows * panel.a_row);
                panel.c = panel.c.add(panel.rows * panel.c_row);
            }
            first_c = first_c.add(panel.columns);
            if !panel.bias.is_null() {
                panel.bias = panel.bias.add(panel.columns);
            }
        }
    }
}

/// Compiles the kernels of a register for its instruction set.
macro_rules! kernels {
    ($register:ty, $number:ty, $avx:literal, [$($rows:literal)*] $(, $features:literal)?) => {
        impl Kernels for $register {
            const TILES: &'static [[Tile<$number>; 2]] = {
                $(#[target_feature(enable = $features)])?
                unsafe fn of<const ROWS: usize, const WIDE: usize>(panel: &Panel<$number>) {
                    // SAFETY: the caller's promise.
                    unsafe { tile::<$register, ROWS, WIDE>(panel) }
                }
                &[$([of::<$rows, 1>, of::<$rows, 2>]),*]
            };

            #[inline]
            unsafe fn pack(from: *const $number, steps: (usize, usize), to: *mut $number, k: usize, columns: usize) {
                $(#[target_feature(enable = $features)])?
                unsafe fn pack(from: *const $number, steps: (usize, usize), to: *mut $number, k: usize, columns: usize) {
                    // SAFETY: the caller's promise.
                    unsafe { transpose::copy::<$register>(from, steps, to, 2 * <$register>::COUNT, k, columns, $avx) }
                }
                // SAFETY: the caller's promise.
                unsafe { pack(from, steps, to, k, columns) }
            }
        }
    };
}

macro_rules! wide {
    ($number:ty, $avx512:ty, $avx2:ty) => {
        #[cfg(target_arch = "x86_64")]
        kernels!($avx512, $number, true, [1 2 3 4 5 6 7 8 9 10 11 12], "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma");
        #[cfg(target_arch = "x86_64")]
        kernels!($avx2, $number, true, [1 2 3 4 5 6], "avx2,fma");
        kernels!(Plain<$number>, $number, false, [1 2 3 4]);

        impl Wide for $number {
            #[inline]
            unsafe fn compute(set: Set, part: &mut Part<Self>) {
                // SAFETY: the caller's promise.
                unsafe {
                    match set {
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx512 => panels::<$avx512>(part),
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx2 => panels::<$avx2>(part),
                        Set::Portable => panels::<Plain<$number>>(part),
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

/// The pointers of a job, which threads share.
struct Operands<T> {
    a: (*const T, (usize, usize)),
    b: (*const T, (usize, usize)),
    bias: *const T,
    c: *mut T,
    packed: *mut T,
    shape: (usize, usize, usize),
}
// SAFETY: see `Job::run`: each thread writes elements of its own.
unsafe impl<T: Send + Sync> Sync for Operands<T> {}

impl<T: Real> Operands<T> {
    /// Has each of some parts computed. They differ in columns where there are enough panels, else in rows.
    #[inline(never)]
    fn split(self, set: Set, parts: usize, fork: impl FnOnce(usize, &(dyn Fn(usize) + Sync))) {
        let (m, _, n) = self.shape;
        let width = T::panel_columns(set);
        let by_columns = n.div_ceil(width) >= parts;
        let share = |all: usize, unit: usize, part: usize| {
            let units = all.div_ceil(unit);
            ((units * part / parts * unit).min(all), (units * (part + 1) / parts * unit).min(all))
        };
        fork(parts, &|part| {
            let (rows, columns) =
                if by_columns { ((0, m), share(n, width, part)) } else { (share(m, 1, part), (0, n)) };
            // SAFETY: `Job::run` asserted the lengths; parts have rows or columns of their own, and panels of their own.
            unsafe { self.part(set, rows, columns, part) }
        });
    }

    /// Computes some rows and columns, from..to, with the room of a part.
    ///
    /// # Safety
    /// Pointers good for the shape, and nobody else at work on these elements or in this room.
    #[inline(always)]
    unsafe fn part(&self, set: Set, rows: (usize, usize), columns: (usize, usize), part: usize) {
        let ((a, a_steps), (b, b_steps), (_, k, n)) = (self.a, self.b, self.shape);
        // SAFETY: the caller's promise.
        unsafe {
            let panel = Panel {
                a: a.add(rows.0 * a_steps.0),
                a_row: a_steps.0,
                a_step: a_steps.1,
                b,
                b_step: 0,
                c: self.c.add(rows.0 * n + columns.0),
                c_row: n,
                bias: if self.bias.is_null() { self.bias } else { self.bias.add(columns.0) },
                rows: rows.1 - rows.0,
                columns: columns.1 - columns.0,
                k,
            };
            let packed = self.packed.add(part * room::<T>(a_steps, self.shape));
            T::compute(set, &mut Part { panel, b: b.add(columns.0 * b_steps.1), b_steps, packed });
        }
    }
}

impl<T: Real> Job<'_, T> {
    /// Computes the product in `parts` parts with room for as many panels in `packed`.
    ///
    /// # Panics
    /// Where a slice is shorter than its shape says.
    #[inline]
    pub fn run(self, set: Set, parts: usize, packed: &mut [T], fork: impl FnOnce(usize, &(dyn Fn(usize) + Sync))) {
        let (m, k, n) = self.shape;
        if m == 0 || n == 0 {
            return;
        }
        let reach = |(row, column): (usize, usize), rows: usize, columns: usize| {
            if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
        };
        assert!(self.a.len() >= reach(self.a_steps, m, k), "a is shorter than its shape");
        assert!(self.b.len() >= reach(self.b_steps, k, n), "b is shorter than its shape");
        assert!(
            self.c.len() >= m * n && self.bias.is_none_or(|bias| bias.len() >= n),
            "c or bias is shorter than its shape"
        );
        assert!(packed.len() >= parts * room::<T>(self.a_steps, self.shape), "no room for packed panels");
        let operands = Operands {
            a: (self.a.as_ptr(), self.a_steps),
            b: (self.b.as_ptr(), self.b_steps),
            bias: self.bias.map_or(std::ptr::null(), <[T]>::as_ptr),
            c: self.c.as_mut_ptr(),
            packed: packed.as_mut_ptr(),
            shape: self.shape,
        };
        match parts {
            // SAFETY: the lengths were asserted above.
            1 => unsafe { operands.part(set, (0, m), (0, n), 0) },
            _ => operands.split(set, parts, fork),
        }
    }
}
