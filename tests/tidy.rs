//! Holds the shape of the house: which room may use which, where `unsafe` and SQL may stand, what the pure rooms keep
//! away from, and how long a file may grow. It reads the sources as text and needs nothing of the library itself.
//!
//! A failure here is a question about the design, not about style. A new arrow belongs into `ARCHITECTURE.md` first.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use. An arrow that is not here is a defect.
const ARROWS: &[(&str, &[&str])] = &[
    ("num", &[]),
    ("nn", &["num"]),
    ("data", &["num"]),
    ("train", &["num", "nn", "data"]),
    ("practice", &["num", "nn", "data", "train"]),
    ("score", &["num"]),
    ("predict", &["num", "nn", "data", "train"]),
    ("export", &["nn", "data", "train"]),
    ("plot", &[]),
    ("spec", &["nn", "data", "train", "practice"]),
    ("id", &[]),
    ("store", &["id"]),
    ("worker", &["id", "store", "spec", "data", "train", "practice"]),
    ("api", &["id", "store", "spec", "data", "train", "practice", "score", "predict", "export", "plot", "worker"]),
    ("ui", &[]),
    (
        "cli",
        &[
            "num", "nn", "data", "train", "practice", "score", "predict", "export", "plot", "spec", "id", "store",
            "worker", "api", "ui",
        ],
    ),
];

/// What only some rooms may name, with the rooms that may.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("unsafe", &["num"], "unsafe code stays with the kernels"),
    ("sqlx", &["store"], "all SQL is in one room"),
    ("axum", &["api", "ui", "cli"], "the core knows no HTTP"),
    ("tokio", &["store", "worker", "api", "ui", "cli"], "the core runs on plain threads and slices"),
    ("Instant", &["worker", "api", "cli", "store"], "results may not depend on a clock"),
    ("SystemTime", &["store", "worker", "api", "cli", "id"], "results may not depend on a clock"),
    ("chrono", &["store", "worker", "api", "cli", "data"], "results may not depend on a clock"),
];

/// Lines that a file may have before its unit tests.
const LINE_BUDGET: usize = 500;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, usize, &str)] = &[];

#[test]
fn rooms_use_only_the_rooms_that_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let Some(allowed) = table.get(source.room.as_str()) else {
            faults.push(format!("{}: the room `{}` is not in the table of arrows", source.name, source.room));
            continue;
        };
        for (line, target) in arrows(&source, &table) {
            if target != source.room && !allowed.contains(&target.as_str()) {
                faults.push(format!("{}:{line}: {} may not use {target}", source.name, source.room));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    let position: BTreeMap<&str, usize> = ARROWS.iter().enumerate().map(|(at, (room, _))| (*room, at)).collect();
    let mut faults = Vec::new();
    for (room, targets) in ARROWS {
        for target in *targets {
            if position[target] >= position[room] && *room != "cli" {
                faults.push(format!("{room} -> {target} points upwards: list a room after those that it uses"));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn reserved_words_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for source in sources() {
        for (word, rooms, reason) in RESERVED {
            if rooms.contains(&source.room.as_str()) {
                continue;
            }
            for line in lines_with_word(&source.code, word) {
                faults.push(format!("{}:{line}: `{word}` in room {}: {reason}", source.name, source.room));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let files = rust_files(&root().join("src")).into_iter().chain(rust_files(&root().join("tests")));
    let faults = files
        .filter(|path| !read(path).starts_with("//!"))
        .map(|path| format!("{}: does not open with a `//!` sentence", relative(&path)))
        .collect();
    assert_none(faults);
}

#[test]
fn every_rule_of_the_diagnosis_stands_in_its_table() {
    let table = read(&root().join("docs/DIAGNOSIS.md"));
    let folder = root().join("src/practice/diagnosis");
    let search = root().join("src/practice/strategy/search.rs");
    let mut names = BTreeSet::new();
    for path in rust_files(&folder).into_iter().chain([search]).filter(|path| !path.ends_with("tests.rs")) {
        let text = read(&path);
        for before in ["code: \"", "finding(run, \"", "finding(\""] {
            let found = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
            names.extend(found.map(str::to_owned));
        }
    }
    assert!(names.len() >= 40, "the names of the rules are not found where they were: {names:?}");
    assert_none(names.iter().filter(|name| !table.contains(&format!("| `{name}` |"))).cloned().collect());
}

#[test]
fn files_stay_within_the_line_budget() {
    let mut faults = Vec::new();
    for path in rust_files(&root().join("src")) {
        let name = relative(&path);
        if name.ends_with("/tests.rs") {
            continue;
        }
        let text = read(&path);
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let exception = LONGER.iter().find(|(file, ..)| *file == name);
        let budget = exception.map_or(LINE_BUDGET, |(_, lines, _)| *lines);
        if lines > budget {
            faults.push(format!("{name}: {lines} lines before its tests, the budget is {budget}: is it two files?"));
        }
        if exception.is_some() && lines <= LINE_BUDGET {
            faults.push(format!("{name}: is short again, take it off the list of long files"));
        }
    }
    for (file, ..) in LONGER {
        if !root().join(file).is_file() {
            faults.push(format!("{file}: is on the list of long files and does not exist"));
        }
    }
    assert_none(faults);
}

#[test]
fn no_file_is_a_drawer_for_anything() {
    let drawers = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];
    let faults = rust_files(&root().join("src"))
        .into_iter()
        .filter(|path| path.file_stem().is_some_and(|stem| drawers.iter().any(|name| stem == *name)))
        .map(|path| format!("{}: name it after what it holds", relative(&path)))
        .collect();
    assert_none(faults);
}

/// The scanner is itself believed only against examples.
#[test]
fn the_scanner_sees_each_way_of_naming_a_room() {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let seen = |path: &str, text: &str| -> Vec<String> {
        let source = Source::new(Path::new(path), text);
        arrows(&source, &table).into_iter().map(|(_, target)| target).collect()
    };
    assert_eq!(seen("src/nn/dense.rs", "use crate::store::Store;"), ["store"]);
    assert_eq!(seen("src/nn/dense.rs", "use crate::{num::Real, api};"), ["num", "api"]);
    assert_eq!(seen("src/nn/dense.rs", "use crate::{num::{self, Real},\n data::{a, b}};"), ["num", "data"]);
    assert_eq!(seen("src/nn/dense.rs", "fn f() { crate::spec::prove() }"), ["spec"]);
    assert_eq!(seen("src/nn/mod.rs", "use super::store::Store;"), ["store"]);
    assert_eq!(seen("src/nn/dense.rs", "use super::super::store::Store;"), ["store"]);
    assert_eq!(seen("src/api/jobs.rs", "use super::spec::Answer;"), Vec::<String>::new());
    assert_eq!(seen("src/nn/dense.rs", "// use crate::store;\nlet text = \"crate::store\";"), Vec::<String>::new());
    assert_eq!(seen("src/nn/dense.rs", "/* crate::store */ let quote = '\"'; use crate::num;"), ["num"]);
    assert_eq!(lines_with_word("let a = unsafe_code;\nunsafe { }", "unsafe"), BTreeSet::from([2]));
}

// ---- reading the sources ------------------------------------------------------------------------------------------

struct Source {
    /// Path from the root of the repository, with `/`.
    name: String,
    room: String,
    /// The text with comments and the contents of strings blanked out; lines keep their numbers.
    code: String,
    /// How many `super::` lead from this file's module to the crate's root.
    depth: usize,
}

impl Source {
    fn new(path: &Path, text: &str) -> Source {
        let parts: Vec<&str> = path.iter().skip(1).map(|part| part.to_str().expect("UTF-8 path")).collect();
        let is_module_file = parts.last() == Some(&"mod.rs");
        let room = parts[0].trim_end_matches(".rs").to_owned();
        let name = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        Source { name, room, code: code_only(text), depth: parts.len() - usize::from(is_module_file) }
    }
}

/// Every source file of a room; the crate's root and the thin binary belong to none.
fn sources() -> Vec<Source> {
    let found: Vec<Source> = rust_files(&root().join("src"))
        .into_iter()
        .map(|path| (PathBuf::from(relative(&path)), read(&path)))
        .filter(|(name, _)| name != Path::new("src/lib.rs") && name != Path::new("src/main.rs"))
        .map(|(name, text)| Source::new(&name, &text))
        .collect();
    assert!(found.len() >= ARROWS.len(), "found only {} source files", found.len());
    found
}

/// The rooms that a file names, with the line of each place.
fn arrows(source: &Source, table: &BTreeMap<&str, &[&str]>) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        for (offset, name) in heads(&code[at + "crate::".len()..]) {
            if table.contains_key(name.as_str()) {
                found.push((line_of(code, at + offset), name));
            }
        }
    }
    let mut at = 0;
    while let Some(start) = code[at..].find("super::").map(|offset| at + offset) {
        let mut end = start;
        let mut steps = 0;
        while code[end..].starts_with("super::") {
            end += "super::".len();
            steps += 1;
        }
        if steps >= source.depth {
            for (offset, name) in heads(&code[end..]) {
                if table.contains_key(name.as_str()) {
                    found.push((line_of(code, start + offset), name));
                }
            }
        }
        at = end;
    }
    found
}

/// The first names of a path or of a braced group of paths: `a::b` gives a; `{a::{b, c}, d}` gives a and d.
fn heads(text: &str) -> Vec<(usize, String)> {
    let word = |from: usize| -> (usize, String) { (from, text[from..].chars().take_while(|c| is_word(*c)).collect()) };
    if !text.starts_with('{') {
        return vec![word(0)];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    let mut expects_name = false;
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                depth += 1;
                expects_name = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' => expects_name = depth == 1,
            c if expects_name && is_word(c) => {
                found.push(word(at));
                expects_name = false;
            }
            _ => {}
        }
    }
    found
}

fn lines_with_word(code: &str, word: &str) -> BTreeSet<usize> {
    code.match_indices(word)
        .filter(|(at, _)| !code[..*at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
        .map(|(at, _)| line_of(code, at))
        .collect()
}

/// Blanks out comments, strings and characters, so that a search finds only code.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, part: &str| out.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while at < bytes.len() {
        let rest = &text[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(is_word)) {
            length
        } else if rest.starts_with('"') {
            quoted(rest)
        } else if rest.starts_with('\'') {
            character(rest)
        } else {
            0
        };
        if length > 0 {
            blank(&mut out, &rest[..length]);
            at += length;
        } else {
            let c = rest.chars().next().expect("not at the end");
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// Length of `r"…"`, `r#"…"#`, `br"…"` at the start of the text.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|b| *b == b'#').count();
    after[hashes..].strip_prefix('"')?;
    let open = text.len() - after.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[open..].find(&close).map_or(text.len(), |end| open + end + close.len()))
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal, or 0 where the quote begins a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 3),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("directory entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside the repository").to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}
