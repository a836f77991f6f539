//! How long a file of 1,000,000 rows of 29 numbers takes to become a table, and the most memory it takes: `cargo bench --bench ingest`.
//!
//! First the file alone, as pandas reads it too: each format in a process of its own, so that the peak is its own, the median of five.
//! Then the whole upload over HTTP to its answer, which says that original and table are safe on the disk, and the same again. Where `PYTHON`
//! names an interpreter with pandas and pyarrow, it reads the same files in turn. Not a gate: a busy machine gives larger numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measuring program")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use trainyard::data::csv::ParseOptions;
use trainyard::data::profile::profile;
use trainyard::data::{Rows, Storage, formats};

#[allow(dead_code, reason = "the stories use the rest")]
#[path = "../tests/stories/kit.rs"]
mod kit;

const ROWS: usize = 1_000_000;
const COLUMNS: usize = 29;
const BATCH: usize = 10_000;
const RUNS: usize = 5;
/// Named in the child's environment: the file that it reads.
const FILE: &str = "INGEST_FILE";

fn main() {
    if let Some(path) = std::env::var_os(FILE) {
        return read(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let (csv, parquet) = (folder.path().join("rows.csv"), folder.path().join("rows.parquet"));
    write(&csv, &parquet);
    for path in [&csv, &parquet] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(run(Command::new(std::env::current_exe().unwrap()).env(FILE, path)));
            let Ok(python) = std::env::var("PYTHON") else { continue };
            let script = "import sys,time,resource,pandas as p;t=time.perf_counter();f=sys.argv[1];\
                d=p.read_csv(f) if f.endswith('csv') else p.read_parquet(f);s=time.perf_counter()-t;\
                print(s,resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)";
            theirs.push(run(Command::new(python).args(["-c", script]).arg(path)));
        }
        let name = path.extension().unwrap_or_default().display();
        let (own, peak) = median(&mut ours);
        println!("{name:8} trainyard {own:.2} s, peak {peak} MB: the table, its profile and its equal rows");
        if !theirs.is_empty() {
            let (other, peak) = median(&mut theirs);
            println!("{name:8} pandas    {other:.2} s, peak {peak} MB: {:.2} times as long", other / own);
        }
    }
    for path in [&csv, &parquet] {
        let (server, bytes) = (kit::Server::start(), std::fs::read(path).unwrap());
        let upload = |status: u16| {
            let begin = Instant::now();
            let answer = server.send("POST", "/v1/datasets", &[], Some(&bytes));
            assert_eq!(answer.status, status);
            begin.elapsed().as_secs_f64()
        };
        let (first, again) = (upload(201), upload(200));
        let name = path.extension().unwrap_or_default().display();
        let peak = peak_mb(&server.pid().to_string());
        println!(
            "{name:8} POST of {} MB {first:.2} s, again {again:.2} s, peak of the server {peak} MB",
            bytes.len() / 1_000_000
        );
    }
}

/// Seconds and megabytes that a process prints.
fn run(command: &mut Command) -> (f64, u64) {
    let child = command.output().unwrap();
    assert!(child.status.success(), "{child:?}");
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let mut words = text.split_whitespace();
    (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
}

fn median(runs: &mut [(f64, u64)]) -> (f64, u64) {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    (runs[runs.len() / 2].0, runs.iter().map(|run| run.1).max().unwrap_or(0))
}

/// What the server does with an upload: the file becomes a table file, with its profile and its sets of equal rows.
fn read(path: &Path) {
    let begin = Instant::now();
    let storage = Storage::file(tempfile::tempfile_in(path.parent().unwrap()).unwrap()).unwrap();
    let (mut table, _) = formats::build(File::open(path).unwrap(), &ParseOptions::default(), storage).unwrap();
    let (profile, equal) = profile(&table).unwrap();
    table.close(Some(&equal.sets)).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!((profile.columns.len(), table.rows()), (COLUMNS, ROWS));
    println!("{seconds} {}", peak_mb("self"));
}

/// The most memory that a process had; 0 where the system does not tell.
fn peak_mb(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}

fn write(csv: &Path, parquet: &Path) {
    let mut text = BufWriter::new(File::create(csv).unwrap());
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    writeln!(text, "{}", names.join(",")).unwrap();
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut state = 7u64;
    for _ in 0..ROWS / BATCH {
        let mut columns: Vec<Vec<f64>> = (0..COLUMNS).map(|_| Vec::with_capacity(BATCH)).collect();
        for _ in 0..BATCH {
            for (place, column) in columns.iter_mut().enumerate() {
                // Knuth's 64-bit generator: any numbers will do.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let x = f64::from((state >> 40) as u32) / 1e4 - 800.0;
                column.push(x);
                write!(text, "{}{x}", if place == 0 { "" } else { "," }).unwrap();
            }
            writeln!(text).unwrap();
        }
        let arrays = columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef);
        let batch = RecordBatch::try_from_iter(names.iter().map(String::as_str).zip(arrays)).unwrap();
        let to = writer
            .get_or_insert_with(|| ArrowWriter::try_new(File::create(parquet).unwrap(), batch.schema(), None).unwrap());
        to.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
    text.flush().unwrap();
}
