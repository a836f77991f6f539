//! From uploaded weights over given batches, in f64, a job walks the path that PyTorch walks.

use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::kit::{Server, file};

/// Relative distance of all parameters after 200 steps; measured noise of reordered sums is near 1e-15.
const GATE: f64 = 1e-12;

#[test]
fn from_the_same_weights_over_the_same_batches_it_arrives_where_pytorch_does() {
    let golden: Value = serde_json::from_slice(&file("tests/golden/warm_start.json")).unwrap();
    let server = Server::start();
    server.sample("iris");
    let uploaded = server.send("POST", "/v1/weights", &[], Some(&safetensors_file(&golden["start"]))).ok();

    for (name, run) in golden["runs"].as_object().unwrap() {
        let job = server.train(&json!({
            "dataset": "iris", "target": "species", "precision": "f64",
            "inputs": {"numeric": "none"}, "hidden_layers": [{"units": 8, "activation": "tanh"}],
            "optimizer": run["optimizer"], "batches": golden["batches"], "epochs": golden["epochs"],
            "warm_start": {"weights": uploaded["id"]}, "record": {"step_metrics": true}
        }));
        let id = job["id"].as_str().unwrap();

        let metrics = server.get(&format!("/v1/jobs/{id}/metrics?by=step&names=loss")).ok();
        let losses = numbers(&metrics["columns"]["loss"]);
        let expected = numbers(&run["losses"]);
        // Step n means completed; a point of step 0, where there is one, is the untrained network.
        let losses = &losses[losses.len() - expected.len()..];
        for (step, (ours, theirs)) in losses.iter().zip(&expected).enumerate() {
            assert!((ours - theirs).abs() <= GATE, "{name}: loss of step {}: {ours} against {theirs}", step + 1);
        }

        let distance = distance(&server.weights(id, "last"), &run["weights"]);
        println!("{name}: relative distance {distance:.1e} after {} steps", expected.len());
        assert!(distance <= GATE, "{name}: {distance:e}");
    }
}

#[test]
fn weights_of_another_shape_are_refused_with_the_tensor_named() {
    let server = Server::start();
    server.sample("iris");
    let golden: Value = serde_json::from_slice(&file("tests/golden/warm_start.json")).unwrap();
    let uploaded = server.send("POST", "/v1/weights", &[], Some(&safetensors_file(&golden["start"]))).ok();
    let answer = server.post(
        "/v1/jobs",
        &json!({
            "dataset": "iris", "target": "species", "hidden_layers": [9], "warm_start": {"weights": uploaded["id"]}
        }),
    );
    let said = if answer.status == 201 {
        let job = server.finished(answer.json()["id"].as_str().unwrap());
        assert_eq!(job["status"], "failed", "{job:#}");
        job["error"].to_string()
    } else {
        assert_eq!(answer.status, 422, "{answer:?}");
        answer.text()
    };
    assert!(said.contains("hidden.0.weight"), "{said}");
    let answer = server.send("POST", "/v1/weights", &[], Some(b"not a safetensors file"));
    answer.problem(422, "invalid_weights");
}

fn safetensors_file(tensors: &Value) -> Vec<u8> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            (name.clone(), shape, numbers(&tensor["values"]).iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// |ours − theirs| / |theirs| over all parameters.
fn distance(file: &[u8], expected: &Value) -> f64 {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let (mut apart, mut size) = (0.0, 0.0);
    for (name, values) in expected.as_object().unwrap() {
        let tensor = tensors.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F64);
        let ours = tensor.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let theirs = numbers(values);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.zip(theirs) {
            apart += (ours - theirs).powi(2);
            size += theirs * theirs;
        }
    }
    (apart / size).sqrt()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
