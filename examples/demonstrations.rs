//! Runs the demonstrations beside this file against a server and prints what each technique gains: `make examples`, or
//! `cargo run --release --example demonstrations -- http://127.0.0.1:8080 [NAME…]`.
//!
//! A demonstration is a JSON file: a spec that you can post as it is (`base`), and merge patches of it, as `POST /v1/jobs/{id}/fork` takes them.

#![allow(clippy::print_stdout, reason = "a program for the command line")]

#[path = "../tests/stories/demonstration.rs"]
mod demonstration;

use std::process::ExitCode;

use serde_json::Value;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(url) = arguments.next() else {
        println!("usage: demonstrations URL-OF-A-SERVER [NAME…]");
        return ExitCode::from(2);
    };
    let wanted: Vec<String> = arguments.collect();
    let mut good = true;
    for demonstration in demonstration::all() {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == demonstration.name) {
            continue;
        }
        match demonstration.run(|method, path, body| call(&url, method, path, body)) {
            Ok(result) => {
                good &= result.holds;
                println!("{}", result.table);
            }
            Err(problem) => {
                good = false;
                println!("{}: {problem}", demonstration.name);
            }
        }
    }
    ExitCode::from(u8::from(!good))
}

fn call(url: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let address = format!("{url}{path}");
    let answer = match (method, body) {
        ("POST", Some(body)) => agent.post(&address).send_json(body),
        ("POST", None) => agent.post(&address).send_empty(),
        _ => agent.get(&address).call(),
    };
    let mut answer = answer.map_err(|error| format!("{address}: {error}"))?;
    let status = answer.status();
    let body: Value = answer.body_mut().read_json().map_err(|error| format!("{address}: {error}"))?;
    if status.is_success() { Ok(body) } else { Err(format!("{address}: {body:#}")) }
}
