//! Lists cut into parts that threads write at the same time.

use std::ops::Range;

/// Pointers that threads share; each uses elements of its own.
struct Shared<T>(*mut T);
// SAFETY: see `each`: parts are disjoint.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Cuts lists of one length into `parts` parts of nearly equal length, each a multiple of `unit` but for the last, and calls `task` with
/// the range and the part of each list. An empty list stays empty in every part.
///
/// `fork(parts, work)` must call `work` at most once for each part, and come back when it has.
///
/// # Panics
/// Where a list is neither empty nor as long as the first.
pub fn each<T: Send, const N: usize, F: Fn(Range<usize>, [&mut [T]; N]) + Sync>(
    lists: [&mut [T]; N],
    unit: usize,
    parts: usize,
    task: &F,
    fork: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) {
    let length = lists.first().map_or(0, |list| list.len());
    let lengths = lists.each_ref().map(|list| list.len());
    assert!(lengths.iter().all(|own| *own == 0 || *own == length), "lists differ in length");
    let lists = lists.map(|list| Shared(list.as_mut_ptr()));
    let units = length.div_ceil(unit.max(1));
    let at = move |part: usize| (units * part / parts * unit.max(1)).min(length);
    fork(parts, &move |part| {
        let range = at(part)..at(part + 1);
        let own = std::array::from_fn(|place| {
            if lengths[place] == 0 {
                return &mut [][..];
            }
            // SAFETY: the range lies within the list, which is lent to this call as a whole; ranges of different parts do not overlap.
            unsafe { std::slice::from_raw_parts_mut(lists[place].0.add(range.start), range.len()) }
        });
        task(range.clone(), own);
    });
}
