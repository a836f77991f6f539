//! Sample data drawn from a seed: the same bytes on every machine. Each is made to show one technique at work, small enough to train in seconds.

use std::fmt::Write;

use rand::rngs::ChaCha8Rng;

use super::parameters::{Parameter, Wanted};
use crate::num::random::{self, Stream};

const SEED: Parameter = Parameter::whole("seed", 1, 0, 1 << 53, "Another seed, other data.");

pub(super) static BLOBS: [Parameter; 4] = [
    SEED,
    Parameter::whole("rows", 1000, 10, 1_000_000, "Points."),
    Parameter::whole("clusters", 5, 2, 50, "Clouds."),
    Parameter::number("spread", 1.0, 0.0, 10.0, "Standard deviation of a cloud."),
];
pub(super) static RARE_WORDS: [Parameter; 5] = [
    SEED,
    Parameter::whole("rows", 4000, 10, 200_000, "Texts, of which the last fifth validates."),
    Parameter::whole("rare", 1500, 2, 100_000, "Words that tell the label, each seen in two of so many texts."),
    Parameter::whole("common", 30, 1, 10_000, "Words that say nothing."),
    Parameter::number("noise", 0.05, 0.0, 0.5, "Share of the rare words that are on the wrong side."),
];
pub(super) static SHARED_WORDS: [Parameter; 6] = [
    SEED,
    Parameter::whole("rows", 3000, 10, 200_000, "Rows, of which the last third validates."),
    Parameter::whole("words", 600, 2, 100_000, "Words."),
    Parameter::whole("kinds", 6, 2, 100, "Hidden kinds of words."),
    Parameter::whole("tagged", 400, 1, 200_000, "Training rows whose tag is known."),
    Parameter::number("noise", 0.05, 0.0, 1.0, "Share of the kinds that are wrong."),
];
pub(super) static SPIRALS: [Parameter; 5] = [
    SEED,
    Parameter::whole("rows", 1000, 10, 1_000_000, "Points."),
    Parameter::whole("arms", 2, 2, 10, "Arms."),
    Parameter::number("turns", 1.5, 0.25, 10.0, "Turns of an arm."),
    Parameter::number("noise", 0.04, 0.0, 1.0, "Standard deviation around an arm."),
];
pub(super) static TWO_TASKS: [Parameter; 4] = [
    SEED,
    Parameter::whole("rows", 2500, 10, 200_000, "Rows, of which the last two fifths validate."),
    Parameter::whole("labelled", 200, 1, 200_000, "Training rows whose second label is known."),
    Parameter::number("noise", 0.1, 0.0, 10.0, "Standard deviation of the noise on the scores of the first label."),
];

fn draw(wanted: &Wanted<'_>, sample: u64) -> ChaCha8Rng {
    random::generator(wanted.number("seed") as u64, Stream::Sample, sample, 0)
}

fn below(generator: &mut ChaCha8Rng, n: usize) -> usize {
    random::below(generator, n as u32) as usize
}

/// Texts of eight common words that say nothing and two rare ones that tell the label: unless asked for otherwise 1,500 rare words, each on one side, each seen
/// about five times, of which one in twenty is on the wrong side.
pub(super) fn rare_words(wanted: &Wanted<'_>) -> String {
    let (rows, common, rare) = (wanted.count("rows"), wanted.count("common"), wanted.count("rare"));
    let noise = wanted.number("noise");
    let mut draw = draw(wanted, 1);
    let mut sides: Vec<usize> = (0..rare).map(|_| below(&mut draw, 2)).collect();
    // Few words may all fall on one side, and then a label would have none.
    if sides.iter().all(|side| *side == sides[0]) {
        sides[0] = 1 - sides[0];
    }
    let mut csv = String::from("part,text,label\n");
    for row in 0..rows {
        let label = below(&mut draw, 2);
        let part = if row < rows * 4 / 5 { "train" } else { "validation" };
        let mut words: Vec<String> = (0..8).map(|_| format!("common{}", below(&mut draw, common))).collect();
        for _ in 0..2 {
            let wrong = random::uniform(&mut draw) < noise;
            let word = loop {
                let word = below(&mut draw, rare);
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

/// Three words of a vocabulary (600), each word of one of some hidden kinds (6). `kind` is the kind of the middle word, known in every row (one in twenty is
/// wrong). `tag` depends on the kinds of the middle and the right word, and is known in some training rows only (400, and in all of the validation part).
pub(super) fn shared_words(wanted: &Wanted<'_>) -> String {
    let (rows, word_count, kind_count) = (wanted.count("rows"), wanted.count("words"), wanted.count("kinds"));
    let (train, tagged, noise) = (rows * 2 / 3, wanted.count("tagged"), wanted.number("noise"));
    let mut draw = draw(wanted, 2);
    let kinds: Vec<usize> = (0..word_count).map(|_| below(&mut draw, kind_count)).collect();
    let mut scores =
        || -> Vec<[f64; 3]> { (0..kind_count).map(|_| std::array::from_fn(|_| random::normal(&mut draw))).collect() };
    let (middle_scores, right_scores) = (scores(), scores());
    let mut csv = String::from("part,left,word,right,kind,tag\n");
    for row in 0..rows {
        let [left, word, right] = std::array::from_fn(|_| below(&mut draw, word_count));
        let kind = if random::uniform(&mut draw) < noise { below(&mut draw, kind_count) } else { kinds[word] };
        let score = |tag: &usize| middle_scores[kinds[word]][*tag] + right_scores[kinds[right]][*tag];
        let tag = (0..3).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(0);
        let tag = if !(tagged..train).contains(&row) { ["red", "green", "blue"][tag] } else { "" };
        let part = if row < train { "train" } else { "validation" };
        let _ = writeln!(csv, "{part},w{left},w{word},w{right},k{kind},{tag}");
    }
    csv
}

/// Twelve numbers that hide four waves. `many` (six classes) and `few` (yes or no) both depend on the waves; `many` is known in every row, `few` in some (200)
/// training rows only (and in all of the validation part).
pub(super) fn two_tasks(wanted: &Wanted<'_>) -> String {
    const WIDTH: usize = 12;
    const WAVES: usize = 4;
    let (rows, labelled, noise_std) = (wanted.count("rows"), wanted.count("labelled"), wanted.number("noise"));
    let train = rows * 3 / 5;
    let mut draw = draw(wanted, 3);
    let mut matrix = |rows: usize, columns: usize| -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..columns).map(|_| random::normal(&mut draw)).collect()).collect()
    };
    let (waves, mixes, inputs, noise) = (matrix(WAVES, WIDTH), matrix(6, WAVES), matrix(rows, WIDTH), matrix(rows, 6));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let names: Vec<String> = (0..WIDTH).map(|i| format!("x{i}")).collect();
    let mut csv = format!("part,{},many,few\n", names.join(","));
    for (row, x) in inputs.iter().enumerate() {
        let scale = 2.0 / (WIDTH as f64).sqrt();
        // sin through libm: the system's differs between machines.
        let hidden: Vec<f64> = waves.iter().map(|wave| libm::sin(scale * product(wave, x))).collect();
        let score = |class: &usize| product(&mixes[*class], &hidden) + noise_std * noise[row][*class];
        let many = (0..6).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(0);
        let few = hidden[0] - hidden[1] + hidden[2] + hidden[3] > 0.0;
        let few = if !(labelled..train).contains(&row) { ["no", "yes"][usize::from(few)] } else { "" };
        let part = if row < train { "train" } else { "validation" };
        let numbers: Vec<String> = x.iter().map(|x| format!("{x:.4}")).collect();
        let _ = writeln!(csv, "{part},{},c{many},{few}", numbers.join(","));
    }
    csv
}

/// Arms that wind around each other: no straight line parts them.
pub(super) fn spirals(wanted: &Wanted<'_>) -> String {
    const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let (rows, arms) = (wanted.count("rows"), wanted.count("arms").clamp(1, NAMES.len()));
    let (turns, noise) = (wanted.number("turns"), wanted.number("noise"));
    let mut draw = draw(wanted, 4);
    let mut csv = String::from("x,y,arm\n");
    for row in 0..rows {
        let arm = row % arms;
        let turn = 0.25 + turns * random::uniform(&mut draw);
        let angle = 2.0 * std::f64::consts::PI * turn + 2.0 * std::f64::consts::PI * arm as f64 / arms as f64;
        let mut shake = || noise * random::normal(&mut draw);
        let (x, y) = (turn * libm::cos(angle) + shake(), turn * libm::sin(angle) + shake());
        let _ = writeln!(csv, "{x:.4},{y:.4},{}", NAMES[arm]);
    }
    csv
}

/// Clouds of points in the plane, which overlap a little: the first five at given places, further ones around them on a sunflower's spiral.
pub(super) fn blobs(wanted: &Wanted<'_>) -> String {
    const CENTRES: [(f64, f64); 5] = [(0.0, 0.0), (4.0, 0.5), (-3.5, 2.0), (0.5, 4.0), (1.0, -4.0)];
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
    let (rows, clusters, spread) = (wanted.count("rows"), wanted.count("clusters").max(1), wanted.number("spread"));
    let mut draw = draw(wanted, 5);
    let mut csv = String::from("x,y,cloud\n");
    for row in 0..rows {
        let cloud = row % clusters;
        let (x, y) = CENTRES.get(cloud).copied().unwrap_or_else(|| {
            let (radius, angle) = (3.0 * (cloud as f64).sqrt(), GOLDEN_ANGLE * cloud as f64);
            (radius * libm::cos(angle), radius * libm::sin(angle))
        });
        let (x, y) = (x + spread * random::normal(&mut draw), y + spread * random::normal(&mut draw));
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
