//! Each demonstration in `examples/` gains what it says.

use serde_json::Value;

use crate::demonstration::all;
use crate::kit::{Server, Settings};

fn gains(name: &str) {
    let server = Server::with(Settings::workers(2));
    let demonstration = all().into_iter().find(|demonstration| demonstration.name == name).unwrap();
    let call = |method: &str, path: &str, body: Option<&Value>| {
        Ok(match method {
            "POST" => server.post(path, body.unwrap_or(&Value::Null)).ok(),
            _ => server.get(path).ok(),
        })
    };
    let outcome = demonstration.run(call).unwrap();
    println!("{}", outcome.table);
    assert!(outcome.holds, "{}", outcome.table);
}

#[test]
fn adagrad_learns_rare_words_that_sgd_misses() {
    gains("rare-words");
}

#[test]
fn word_vectors_shared_with_a_task_of_many_labels_help_one_of_few() {
    gains("shared-word-vectors");
}

#[test]
fn a_second_task_helps_where_labels_are_scarce() {
    gains("second-task");
}

#[test]
fn weight_decay_and_dropout_keep_an_oversized_network_from_memorising() {
    gains("regularise");
}

#[test]
fn four_times_glorots_range_wakes_deep_sigmoid_networks() {
    gains("sigmoid-init");
}
