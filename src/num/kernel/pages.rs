//! Memory and the system: large lists on large pages, and free memory given back. Neither changes a result.

use crate::num::Real;

/// Lists below this many bytes hold no large page that is whole.
const LARGE_BYTES: usize = 4 << 20;

/// A list of `n` zeros.
pub fn zeros<T: Real>(n: usize) -> Vec<T> {
    let list = vec![T::ZERO; n];
    prefer_large_pages(&list);
    list
}

/// An empty list with room for `n`.
pub fn room_for<T>(n: usize) -> Vec<T> {
    let list = Vec::with_capacity(n);
    prefer_large_pages(&list);
    list
}

/// Gives memory that is free, but kept by the allocator for later, back to the system: after work that took much in small pieces.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // SAFETY: it may be called at any time, from any thread, and touches nothing that is in use; malloc_trim(3).
        let _ = unsafe { malloc_trim(0) };
    }
}

/// Asks for large pages for all that a list has room for: rows that lie anywhere in a table of many megabytes cost more to look up than to read on pages of
/// 4 KiB. Where the system has none to give, nothing changes. What is written already stays where it is, so this comes before the first number.
fn prefer_large_pages<T>(list: &Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        const PAGE: usize = 4096;
        let bytes = list.capacity() * size_of::<T>();
        if bytes < LARGE_BYTES {
            return;
        }
        let skipped = list.as_ptr().cast::<u8>().align_offset(PAGE);
        let whole = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: these pages are the list's own, and the advice changes nothing that is in them.
        let _ =
            unsafe { madvise(list.as_ptr().cast_mut().cast::<u8>().add(skipped).cast(), whole, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (list, LARGE_BYTES);
}
