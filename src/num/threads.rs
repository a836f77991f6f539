//! How many threads a computation may use, and fork and join over parts of it. Threads split rows and columns, never a sum, so their
//! number cannot change a bit.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::kernel::parts;
use super::kernel::pool::Pool;

/// Below this many multiply-adds for each thread another one costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 18;

/// The threads of one training or one evaluation; clones share them. They start with the first work that is worth it.
#[derive(Clone, Debug)]
pub struct Threads {
    count: usize,
    /// `None`: the calling thread alone.
    pool: Option<Arc<OnceLock<Pool>>>,
}

impl Threads {
    /// Up to `count` threads, the calling one among them; at least 1.
    pub fn new(count: usize) -> Self {
        Threads { count: count.clamp(1, 256), pool: (count > 1).then(Arc::default) }
    }

    /// How many threads may be used.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them are worth using for this many multiply-adds.
    #[inline]
    pub fn worth(&self, multiply_adds: usize) -> usize {
        if self.count == 1 { 1 } else { self.count.min(multiply_adds / WORTH_A_THREAD).max(1) }
    }

    /// Calls `task(part)` once for each part of `0..parts`, at the same time as far as there are threads; a single part is done right here.
    #[inline]
    pub fn run(&self, parts: usize, task: impl Fn(usize) + Sync) {
        let Some(pool) = self.pool.as_ref().filter(|_| parts > 1) else {
            return (0..parts).for_each(task);
        };
        let pool = pool.get_or_init(|| Pool::new(self.count - 1));
        pool.run(parts.min(usize::from(u16::MAX)) as u16, &task);
    }

    /// Cuts lists of one length (or empty ones) into `parts` parts that begin at multiples of `unit`, and calls `task(range, parts of the lists)` for
    /// each, as [`Threads::run`] does.
    ///
    /// # Panics
    /// Where a list is neither empty nor as long as the first.
    #[inline]
    pub fn run_on<T: Send, const N: usize>(
        &self,
        lists: [&mut [T]; N],
        unit: usize,
        parts: usize,
        task: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
    ) {
        if parts <= 1 || self.count == 1 {
            return task(0..lists.first().map_or(0, |list| list.len()), lists);
        }
        parts::each(lists, unit, parts.min(usize::from(u16::MAX)), &task, |parts, work| self.run(parts, work));
    }
}

impl Default for Threads {
    /// The calling one alone.
    fn default() -> Self {
        Threads::new(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_in_one_part_whatever_their_number() {
        for (length, unit, parts) in [(0, 4, 3), (1, 4, 3), (64, 16, 2), (100, 16, 3), (7, 1, 5), (1000, 3, 4)] {
            let (mut first, mut second, mut none) = (vec![0; length], vec![0; length], Vec::new());
            Threads::new(parts).run_on([&mut first, &mut second, &mut none], unit, parts, |range, [a, b, none]| {
                assert!(range.start % unit == 0 && a.len() == range.len() && none.is_empty());
                a.iter_mut().zip(b).zip(range).for_each(|((a, b), place)| (*a, *b) = (*a + 1, place));
            });
            assert!(first.iter().all(|times| *times == 1), "{length} in {parts} parts");
            assert!(second.iter().enumerate().all(|(place, told)| place == *told));
        }
    }
}
