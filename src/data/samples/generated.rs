//! Sample data drawn from a fixed key: the same bytes on every machine. Each is made to show one technique at work, small enough to train in seconds.

use std::fmt::Write;

use rand::rngs::ChaCha8Rng;

use crate::num::random::{self, Stream};

/// The key of all generated samples.
const SEED: u64 = 1;

fn draw(sample: u64) -> ChaCha8Rng {
    random::generator(SEED, Stream::Sample, sample, 0)
}

fn below(generator: &mut ChaCha8Rng, n: usize) -> usize {
    random::below(generator, n as u32) as usize
}

/// Texts of eight common words that say nothing and two rare ones that tell the label: 1,500 rare words, each on one side, each seen about five times.
/// One rare word in twenty is on the wrong side.
pub(super) fn rare_words() -> String {
    const ROWS: usize = 4000;
    const COMMON: usize = 30;
    const RARE: usize = 1500;
    let mut draw = draw(1);
    let sides: Vec<usize> = (0..RARE).map(|_| below(&mut draw, 2)).collect();
    let mut csv = String::from("part,text,label\n");
    for row in 0..ROWS {
        let label = below(&mut draw, 2);
        let part = if row < ROWS * 4 / 5 { "train" } else { "validation" };
        let mut words: Vec<String> = (0..8).map(|_| format!("common{}", below(&mut draw, COMMON))).collect();
        for _ in 0..2 {
            let wrong = random::uniform(&mut draw) < 0.05;
            let word = loop {
                let word = below(&mut draw, RARE);
                if (sides[word] == label) != wrong {
                    break word;
                }
            };
            let place = below(&mut draw, words.len() + 1);
            words.insert(place, format!("rare{word}"));
        }
        let label = ["no", "yes"][label];
        let _ = writeln!(csv, "{part},{},{label}", words.join(" "));
    }
    csv
}

/// Three words of a vocabulary of 600, each word of one of six hidden kinds. `kind` is the kind of the middle word, known in every row (one in twenty is
/// wrong). `tag` depends on the kinds of the middle and the right word, and is known in 400 training rows only (and in all of the validation part).
pub(super) fn shared_words() -> String {
    const ROWS: usize = 3000;
    const TRAIN: usize = 2000;
    const TAGGED: usize = 400;
    const WORDS: usize = 600;
    const KINDS: usize = 6;
    let mut draw = draw(2);
    let kinds: Vec<usize> = (0..WORDS).map(|_| below(&mut draw, KINDS)).collect();
    let mut scores =
        || -> Vec<[f64; 3]> { (0..KINDS).map(|_| std::array::from_fn(|_| random::normal(&mut draw))).collect() };
    let (middle_scores, right_scores) = (scores(), scores());
    let mut csv = String::from("part,left,word,right,kind,tag\n");
    for row in 0..ROWS {
        let [left, word, right] = std::array::from_fn(|_| below(&mut draw, WORDS));
        let kind = if random::uniform(&mut draw) < 0.05 { below(&mut draw, KINDS) } else { kinds[word] };
        let score = |tag: &usize| middle_scores[kinds[word]][*tag] + right_scores[kinds[right]][*tag];
        let tag = (0..3).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(0);
        let tag = if !(TAGGED..TRAIN).contains(&row) { ["red", "green", "blue"][tag] } else { "" };
        let part = if row < TRAIN { "train" } else { "validation" };
        let _ = writeln!(csv, "{part},w{left},w{word},w{right},k{kind},{tag}");
    }
    csv
}

/// Twelve numbers that hide four waves. `many` (six classes) and `few` (yes or no) both depend on the waves; `many` is known in every row, `few` in 200 training
/// rows only (and in all of the validation part).
pub(super) fn two_tasks() -> String {
    const ROWS: usize = 2500;
    const TRAIN: usize = 1500;
    const LABELLED: usize = 200;
    const WIDTH: usize = 12;
    const WAVES: usize = 4;
    let mut draw = draw(3);
    let mut matrix = |rows: usize, columns: usize| -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..columns).map(|_| random::normal(&mut draw)).collect()).collect()
    };
    let (waves, mixes, inputs, noise) = (matrix(WAVES, WIDTH), matrix(6, WAVES), matrix(ROWS, WIDTH), matrix(ROWS, 6));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let names: Vec<String> = (0..WIDTH).map(|i| format!("x{i}")).collect();
    let mut csv = format!("part,{},many,few\n", names.join(","));
    for (row, x) in inputs.iter().enumerate() {
        let scale = 2.0 / (WIDTH as f64).sqrt();
        // sin through libm: the system's differs between machines.
        let hidden: Vec<f64> = waves.iter().map(|wave| libm::sin(scale * product(wave, x))).collect();
        let score = |class: &usize| product(&mixes[*class], &hidden) + 0.1 * noise[row][*class];
        let many = (0..6).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(0);
        let few = hidden[0] - hidden[1] + hidden[2] + hidden[3] > 0.0;
        let few = if !(LABELLED..TRAIN).contains(&row) { ["no", "yes"][usize::from(few)] } else { "" };
        let part = if row < TRAIN { "train" } else { "validation" };
        let numbers: Vec<String> = x.iter().map(|x| format!("{x:.4}")).collect();
        let _ = writeln!(csv, "{part},{},c{many},{few}", numbers.join(","));
    }
    csv
}

/// Two arms that wind around each other: no straight line parts them.
pub(super) fn spirals() -> String {
    const ROWS: usize = 1000;
    let mut draw = draw(4);
    let mut csv = String::from("x,y,arm\n");
    for row in 0..ROWS {
        let turn = 0.25 + 1.5 * random::uniform(&mut draw);
        let angle = 2.0 * std::f64::consts::PI * turn + if row % 2 == 0 { 0.0 } else { std::f64::consts::PI };
        let mut shake = || 0.04 * random::normal(&mut draw);
        let (x, y) = (turn * libm::cos(angle) + shake(), turn * libm::sin(angle) + shake());
        let _ = writeln!(csv, "{x:.4},{y:.4},{}", ["a", "b"][row % 2]);
    }
    csv
}

/// Five clouds of points in the plane, which overlap a little.
pub(super) fn blobs() -> String {
    const ROWS: usize = 1000;
    let mut draw = draw(5);
    let centres = [(0.0, 0.0), (4.0, 0.5), (-3.5, 2.0), (0.5, 4.0), (1.0, -4.0)];
    let mut csv = String::from("x,y,cloud\n");
    for row in 0..ROWS {
        let cloud = row % centres.len();
        let (x, y) = centres[cloud];
        let (x, y) = (x + random::normal(&mut draw), y + random::normal(&mut draw));
        let _ = writeln!(csv, "{x:.4},{y:.4},c{cloud}");
    }
    csv
}

#[cfg(test)]
mod tests {
    use crate::data::samples::list;

    #[test]
    fn every_sample_has_the_rows_it_says_and_the_same_bytes_each_time() {
        for sample in list() {
            let csv = sample.csv();
            let rows = csv.iter().filter(|byte| **byte == b'\n').count() - 1;
            assert_eq!(rows, sample.rows, "{}", sample.name);
            assert_eq!(csv, sample.csv());
            let header = csv.split(|byte| *byte == b'\n').next().unwrap();
            assert!(String::from_utf8_lossy(header).split(',').any(|name| name == sample.target), "{}", sample.name);
        }
    }
}
