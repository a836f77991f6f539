//! What the README shows works as it stands: its shell lines run, its spec is accepted, its table of flags is complete.

use std::process::Command;

use crate::kit::{Server, file, trainyard};

/// The fenced blocks of one language in a document, in order.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = String::from_utf8(file(document)).unwrap();
    let open = format!("```{language}\n");
    text.split(&open).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// Runs all shell blocks of a document as one script against a server of their own; gives the folder with what they made.
fn played(document: &str) -> tempfile::TempDir {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let script = blocks(document, "sh").join("\n").replace("http://127.0.0.1:8080", &server.url);
    assert!(script.matches("curl").count() > 10, "the requests are gone from {document}");
    let output = Command::new("bash")
        .args(["-euxo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    folder
}

fn is_picture(path: std::path::PathBuf) {
    let picture = std::fs::read_to_string(path).unwrap();
    assert!(picture.contains("<svg"), "{picture}");
}

#[test]
fn the_quick_start_works_line_by_line() {
    let folder = played("README.md");
    let predictions = std::fs::read_to_string(folder.path().join("predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 121, "{predictions}");
    is_picture(folder.path().join("loss.svg"));
}

#[test]
fn the_guide_to_the_practice_works_line_by_line() {
    let folder = played("docs/PRACTICE.md");
    is_picture(folder.path().join("loss.svg"));
    is_picture(folder.path().join("confusion.svg"));
}

#[test]
fn the_guide_to_the_data_works_line_by_line() {
    let folder = played("docs/DATA.md");
    ["residuals.svg", "size.svg", "colour.svg"].into_iter().for_each(|name| is_picture(folder.path().join(name)));
}

#[test]
fn the_spec_that_it_shows_is_accepted() {
    let server = Server::start();
    server.sample("digits");
    for spec in blocks("README.md", "json") {
        let spec = serde_json::from_str(&spec).unwrap();
        let answer = server.post("/v1/jobs?dry_run=true", &spec);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn its_table_of_flags_names_every_flag() {
    let readme = String::from_utf8(file("README.md")).unwrap();
    let help = trainyard().args(["serve", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let flags: Vec<&str> = help
        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 3 && !["--help", "--version"].contains(word))
        .collect();
    assert!(flags.len() > 5, "{help}");
    for flag in flags {
        assert!(readme.contains(&format!("| `{flag}` |")), "README.md says nothing of {flag}");
    }
}
