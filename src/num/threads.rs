//! Fork and join over the rows of a result. Threads split rows, never a sum, so their number cannot change a bit.

/// Below this many multiply-adds a second thread costs more than it brings.
const WORTH_SPLITTING: usize = 1 << 17;

/// How many threads a computation may use.
#[derive(Clone, Debug)]
pub struct Threads {
    count: usize,
}

impl Threads {
    /// Up to `count` threads, the calling one among them; at least 1.
    pub fn new(count: usize) -> Self {
        Threads { count: count.max(1) }
    }

    /// How many threads may be used.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `work(first_row, rows)` on disjoint runs of whole rows of `out` (each `width` long) that cover it, at the same time
    /// where `cost` multiply-adds are worth it.
    pub fn split_rows<T: Send>(&self, out: &mut [T], width: usize, cost: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        let rows = out.len() / width.max(1);
        let parts = self.count.min(cost / WORTH_SPLITTING).min(rows);
        if parts <= 1 {
            return work(0, out);
        }
        let rows_each = rows.div_ceil(parts);
        let mut runs = out.chunks_mut(rows_each * width).enumerate();
        let own = runs.next();
        std::thread::scope(|scope| {
            for (part, run) in runs {
                let work = &work;
                scope.spawn(move || work(part * rows_each, run));
            }
            if let Some((_, run)) = own {
                work(0, run);
            }
        });
    }
}
