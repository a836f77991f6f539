//! Which rows make which step: a function of plan, examples, epoch and step alone, so that a resumed run needs nothing of it saved.

use std::collections::HashMap;

use super::fit::Failure;
use super::plan::{Batching, Plan, TaskSampling};
use crate::data::{Examples, TargetColumn, examples::MISSING_CLASS};
use crate::num::Real;
use crate::num::random::{Stream, below, generator, permutation, uniform};

/// The order of the rows.
#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    kind: Kind,
    /// The epoch that `places` belongs to.
    epoch: Option<u64>,
}

#[derive(Debug)]
enum Kind {
    /// Batches of all tasks.
    Joint { places: Vec<u32>, cuts: Cuts, shuffle: bool },
    /// Batches of one task each.
    Sampled { tasks: Vec<Task>, cumulative: Vec<f64>, steps: u64, shuffle: bool },
    /// Batches that the client gave, as places in the examples.
    Given { batches: Vec<Vec<u32>> },
}

/// How `rows` are cut into batches of `size`.
#[derive(Clone, Copy, Debug)]
struct Cuts {
    rows: usize,
    size: usize,
    /// A last batch of one row joins the one before.
    merge: bool,
}

/// The labelled rows of a task and where this epoch stands in them.
#[derive(Debug)]
struct Task {
    labelled: Vec<u32>,
    cuts: Cuts,
    order: Vec<u32>,
    /// Batches taken in this epoch.
    taken: u64,
    /// The pass over the labelled rows that `order` belongs to.
    pass: Option<u64>,
}

impl Cuts {
    fn new(rows: usize, size: usize, merge: bool) -> Cuts {
        Cuts { rows, size: size.clamp(1, rows.max(1)), merge }
    }

    fn count(&self) -> u64 {
        let whole = self.rows.div_ceil(self.size);
        let merges = self.merge && whole > 1 && self.rows % self.size == 1;
        (whole - usize::from(merges)) as u64
    }

    fn range(&self, batch: u64) -> std::ops::Range<usize> {
        let start = batch as usize * self.size;
        let end = if batch + 1 == self.count() { self.rows } else { start + self.size };
        start..end
    }

    fn longest(&self) -> usize {
        self.range(self.count().saturating_sub(1)).len().max(self.size)
    }
}

impl Order {
    /// Works out the order for a plan. `two_rows`: no batch may have a single row.
    ///
    /// # Errors
    /// [`Failure::Mismatch`] where there is no row, a batch names a row that is not there, or a single row cannot be trained on.
    pub fn new<T: Real>(plan: &Plan, examples: &Examples<T>, two_rows: bool) -> Result<Order, Failure> {
        let mismatch = |text: String| Err(Failure::Mismatch(text));
        let (size, shuffle) = match &plan.batching {
            Batching::Given(batches) => {
                let batches = places_of(batches, examples)?;
                if two_rows && let Some(step) = batches.iter().position(|batch| batch.len() < 2) {
                    return mismatch(format!("batch {step} has one row: batch normalisation needs two"));
                }
                return Ok(Order { seed: plan.seed, kind: Kind::Given { batches }, epoch: None });
            }
            Batching::Full => (examples.rows, false),
            Batching::Rows { size, shuffle } => (*size, *shuffle),
        };
        if examples.rows == 0 {
            return mismatch("there is no row to train on".into());
        }
        if two_rows && (size < 2 || examples.rows < 2) {
            return mismatch("batch normalisation needs batches of at least two rows".into());
        }
        let all = Cuts::new(examples.rows, size, two_rows);
        let kind = match plan.task_sampling {
            TaskSampling::Joint => Kind::Joint { places: Vec::with_capacity(examples.rows), cuts: all, shuffle },
            sampling => {
                let task = |column: &TargetColumn<T>| {
                    let labelled = labelled(column, examples.rows);
                    let cuts = Cuts::new(labelled.len(), size, two_rows);
                    Task { order: Vec::with_capacity(labelled.len()), labelled, cuts, taken: 0, pass: None }
                };
                let tasks: Vec<Task> = examples.targets.iter().map(task).collect();
                let least = if two_rows { 2 } else { 1 };
                let mut total = 0.0;
                let share = |task: &Task| match sampling {
                    _ if task.labelled.len() < least => 0.0,
                    TaskSampling::Uniform => 1.0,
                    _ => task.labelled.len() as f64,
                };
                let cumulative: Vec<f64> = tasks
                    .iter()
                    .map(|task| {
                        total += share(task);
                        total
                    })
                    .collect();
                if total == 0.0 {
                    return mismatch("no task has labelled rows enough to train on".into());
                }
                Kind::Sampled { tasks, cumulative, steps: all.count(), shuffle }
            }
        };
        Ok(Order { seed: plan.seed, kind, epoch: None })
    }

    /// Steps of an epoch.
    pub fn steps(&self) -> u64 {
        match &self.kind {
            Kind::Joint { cuts, .. } => cuts.count(),
            Kind::Sampled { steps, .. } => *steps,
            Kind::Given { batches } => batches.len() as u64,
        }
    }

    /// Rows of the largest batch.
    pub fn longest(&self) -> usize {
        match &self.kind {
            Kind::Joint { cuts, .. } => cuts.longest(),
            Kind::Sampled { tasks, .. } => tasks.iter().map(|task| task.cuts.longest()).max().unwrap_or(1),
            Kind::Given { batches } => batches.iter().map(Vec::len).max().unwrap_or(1),
        }
    }

    /// The places of step `step` (from 0) of an epoch, and the task that it trains if it is one alone. Steps are asked for in order within an epoch; a
    /// resumed run may begin with any.
    pub fn batch(&mut self, epoch: u64, step: u64) -> (&[u32], Option<usize>) {
        let begins = self.epoch != Some(epoch);
        self.epoch = Some(epoch);
        match &mut self.kind {
            Kind::Given { batches } => (&batches[step as usize], None),
            Kind::Joint { places, cuts, shuffle } => {
                if *shuffle && begins {
                    shuffled(self.seed, epoch, cuts.rows, places);
                } else if places.is_empty() {
                    places.extend(0..cuts.rows as u32);
                }
                (&places[cuts.range(step)], None)
            }
            Kind::Sampled { tasks, cumulative, shuffle, .. } => {
                let draw = |step: u64| {
                    let mut generator = generator(self.seed, Stream::TaskSampling, epoch, step);
                    let at = uniform(&mut generator) * cumulative.last().copied().unwrap_or(0.0);
                    cumulative.iter().position(|end| at < *end).unwrap_or(0)
                };
                if begins {
                    tasks.iter_mut().for_each(|task| (task.taken, task.pass) = (0, None));
                    (0..step).for_each(|earlier| tasks[draw(earlier)].taken += 1);
                }
                let chosen = draw(step);
                (tasks[chosen].next(self.seed, epoch, chosen as u64, *shuffle), Some(chosen))
            }
        }
    }
}

/// Rows up to which an epoch's order is one permutation of all.
const WHOLE: usize = 1 << 20;
/// Above: rows that stay together on the disk,
const BLOCK: usize = 1 << 10;
/// and blocks that are shuffled with each other.
const WINDOW: usize = 1 << 8;

/// The order of an epoch's rows, by (seed, epoch, n) alone. Of very many rows, blocks of neighbours are permuted and the rows of each
/// [`WINDOW`] of blocks among themselves: rows from a disk then come from few places at a time.
fn shuffled(seed: u64, epoch: u64, n: usize, places: &mut Vec<u32>) {
    if n <= WHOLE {
        return permutation(seed, Stream::Shuffle, epoch, n, places);
    }
    let mut blocks = Vec::new();
    permutation(seed, Stream::Shuffle, epoch, n.div_ceil(BLOCK), &mut blocks);
    places.clear();
    places.reserve_exact(n);
    for (window, blocks) in blocks.chunks(WINDOW).enumerate() {
        let start = places.len();
        for block in blocks {
            let first = *block as usize * BLOCK;
            places.extend(first as u32..n.min(first + BLOCK) as u32);
        }
        // The step of the key keeps windows apart from each other and from the order of the blocks, which has 0.
        let mut generator = generator(seed, Stream::Shuffle, epoch, window as u64 + 1);
        let rows = &mut places[start..];
        for last in (1..rows.len()).rev() {
            rows.swap(last, below(&mut generator, last as u32 + 1) as usize);
        }
    }
}

impl Task {
    fn next(&mut self, seed: u64, epoch: u64, task: u64, shuffle: bool) -> &[u32] {
        let per_pass = self.cuts.count();
        let (pass, batch) = (self.taken / per_pass, self.taken % per_pass);
        self.taken += 1;
        if self.pass != Some(pass) {
            self.pass = Some(pass);
            self.order.clear();
            self.order.extend_from_slice(&self.labelled);
            if shuffle {
                // The lane keeps tasks and passes apart from each other and from the order of all rows.
                let mut generator = generator(seed, Stream::Shuffle, epoch, ((task + 1) << 32) | pass);
                for last in (1..self.order.len()).rev() {
                    self.order.swap(last, below(&mut generator, last as u32 + 1) as usize);
                }
            }
        }
        &self.order[self.cuts.range(batch)]
    }
}

/// Rows of the table as places in the examples.
fn places_of<T>(batches: &[Vec<u32>], examples: &Examples<T>) -> Result<Vec<Vec<u32>>, Failure> {
    let places: HashMap<u32, u32> = examples.row_ids.iter().enumerate().map(|(at, row)| (*row, at as u32)).collect();
    let place = |step: usize, row: u32| {
        let missing = || format!("batch {step} names row {row}, which is none of the rows that train");
        places.get(&row).copied().ok_or_else(|| Failure::Mismatch(missing()))
    };
    if batches.is_empty() {
        return Err(Failure::Mismatch("there is no batch".into()));
    }
    let batch = |(step, rows): (usize, &Vec<u32>)| {
        if rows.is_empty() {
            return Err(Failure::Mismatch(format!("batch {step} has no rows")));
        }
        rows.iter().map(|row| place(step, *row)).collect()
    };
    batches.iter().enumerate().map(batch).collect()
}

/// The places whose label is there.
pub(super) fn labelled<T: Real>(column: &TargetColumn<T>, rows: usize) -> Vec<u32> {
    let has_label = |row: usize| match column {
        TargetColumn::Classes(classes) => classes[row] != MISSING_CLASS,
        TargetColumn::Values { width, values } | TargetColumn::Distribution { width, values } => {
            values[row * width..(row + 1) * width].iter().any(|value| !value.is_nan())
        }
    };
    (0..rows).filter(|row| has_label(*row)).map(|row| row as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_rows_come_once_each_and_from_few_places_at_a_time() {
        let n = WHOLE + 12_345;
        let (mut first, mut again, mut other) = (Vec::new(), Vec::new(), Vec::new());
        shuffled(7, 3, n, &mut first);
        shuffled(7, 3, n, &mut again);
        shuffled(7, 4, n, &mut other);
        assert_eq!(first, again);
        assert_ne!(first, other);
        let blocks: std::collections::HashSet<u32> = first[..10_000].iter().map(|row| row / BLOCK as u32).collect();
        assert!(blocks.len() <= WINDOW && blocks.len() > WINDOW / 2, "{}", blocks.len());
        first.sort_unstable();
        assert!(first.iter().enumerate().all(|(at, row)| at as u32 == *row));
        // What was the order of fewer rows is still that.
        shuffled(7, 3, 1000, &mut first);
        permutation(7, Stream::Shuffle, 3, 1000, &mut again);
        assert_eq!(first, again);
    }
}
