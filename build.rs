//! Looks whether the dashboard was built, and says so. It writes nothing and starts nothing: `npm run build` in `web/`
//! is a step of its own, so that `cargo build` needs neither Node.js nor a network.

#![allow(clippy::print_stdout)] // how a build script talks to cargo

use std::{env, path::Path, process::exit};

fn main() {
    // The folder itself is always there (it keeps its own .gitignore): cargo would rerun this, and recompile, at every
    // call for a path that is missing.
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations"); // `sqlx::migrate!` reads them when the crate is compiled
    if Path::new("web/dist/index.html").is_file() {
        return;
    }
    let remedy = "run `npm ci && npm run build` in web/";
    if env::var_os("CARGO_FEATURE_REQUIRE_WEB").is_some() {
        println!("cargo::error=the dashboard was not built and the feature `require-web` asks for it: {remedy}");
        exit(1);
    }
    println!("cargo::warning=the dashboard was not built; the server will say so at `/`: {remedy}");
}
