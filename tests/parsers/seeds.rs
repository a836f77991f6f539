//! The seeds of the fuzz targets, and what is left of each after a cut or a changed byte: a short, fixed slice of what `make fuzz` does.

use std::path::Path;

use crate::targets::TARGETS;

/// Cuts and changed bytes of each seed.
const CHANGES: usize = 60;
/// Of bodies that are sent to a server.
const CHANGES_SENT: usize = 6;

#[test]
fn every_seed_and_every_damaged_one_is_read_or_refused() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).expect("a folder of seeds").map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        let changes = if name == "predictions" { CHANGES_SENT } else { CHANGES };
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            target(&bytes);
            for change in 0..changes {
                let place = change * bytes.len() / changes;
                target(&bytes[..place]);
                let mut damaged = bytes.clone();
                if let Some(byte) = damaged.get_mut(place) {
                    *byte ^= 1 << (change % 8);
                }
                target(&damaged);
            }
        }
    }
}

#[test]
fn each_target_has_its_file_and_its_bin() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let file = std::fs::read_to_string(root.join(format!("targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("targets::{name}(bytes)")), "{name}");
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}
