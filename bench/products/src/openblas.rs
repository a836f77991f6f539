//! OpenBLAS as a library that is opened when the program runs, so that nobody has to install it to compile: numpy's wheels bring one, with numbers of
//! 64 bits and names of its own.

use std::ffi::{CStr, c_char, c_int};

use libloading::{Library, Symbol};

use super::View;

const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

/// `cblas_sgemm` with sizes of the type `I`.
type Sgemm<I> =
    unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, f32, *const f32, I, *const f32, I, f32, *mut f32, I);

pub struct OpenBlas {
    /// Which kernels it chose for this machine.
    pub kernels: String,
    sgemm: Function,
    _library: Library,
}

enum Function {
    Wide(Sgemm<i64>),
    Narrow(Sgemm<c_int>),
}

/// Opens what the variable `OPENBLAS` names, or the system's, and holds it on one thread.
pub fn load() -> Option<OpenBlas> {
    let name = std::env::var("OPENBLAS").unwrap_or_else(|_| "libopenblas.so.0".to_owned());
    // SAFETY: opening the library runs its initialisation, as for every program that uses it; the names have the types that its header gives them.
    unsafe {
        let library = Library::new(name).ok()?;
        let threads = |name: &[u8]| library.get(name).map(|set: Symbol<unsafe extern "C" fn(c_int)>| set(1)).is_ok();
        let kernels = |name: &[u8]| {
            let core = library.get(name).map(|core: Symbol<unsafe extern "C" fn() -> *const c_char>| core());
            core.ok().map(|name| CStr::from_ptr(name).to_string_lossy().into_owned())
        };
        let wide = library.get(b"scipy_cblas_sgemm64_").map(|sgemm| *sgemm).map(Function::Wide);
        let sgemm = wide.or_else(|_| library.get(b"cblas_sgemm").map(|sgemm| *sgemm).map(Function::Narrow)).ok()?;
        let _ = threads(b"scipy_openblas_set_num_threads64_") || threads(b"openblas_set_num_threads");
        let kernels = kernels(b"scipy_openblas_get_corename64_").or_else(|| kernels(b"openblas_get_corename"));
        Some(OpenBlas { kernels: kernels.unwrap_or_else(|| "unknown kernels".to_owned()), sgemm, _library: library })
    }
}

impl OpenBlas {
    /// c = a b.
    pub fn product(&self, a: View, b: View, c: &mut [f32], (m, k, n): (usize, usize, usize)) {
        let order = |(_, row, column): View| if column == 1 { (AS_IT_IS, row) } else { (TRANSPOSED, column) };
        let ((a_order, a_row), (b_order, b_row)) = (order(a), order(b));
        let (a, b, c) = (a.0.as_ptr(), b.0.as_ptr(), c.as_mut_ptr());
        // SAFETY: the slices are as long as the shape and the steps say.
        unsafe {
            match self.sgemm {
                Function::Wide(sgemm) => {
                    let [m, n, k, a_row, b_row] = [m, n, k, a_row, b_row].map(|size| size as i64);
                    sgemm(ROW_MAJOR, a_order, b_order, m, n, k, 1.0, a, a_row, b, b_row, 0.0, c, n);
                }
                Function::Narrow(sgemm) => {
                    let [m, n, k, a_row, b_row] = [m, n, k, a_row, b_row].map(|size| size as c_int);
                    sgemm(ROW_MAJOR, a_order, b_order, m, n, k, 1.0, a, a_row, b, b_row, 0.0, c, n);
                }
            }
        }
    }
}
