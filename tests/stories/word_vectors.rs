//! Word vectors that a client brings along: they start the table, and words that no training row has are understood.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::kit::Server;

/// Words with their vectors: the first number tells a kind word from an unkind one.
const VECTORS: [(&str, [f32; 2]); 8] = [
    ("good", [1.0, 0.1]),
    ("great", [0.9, -0.2]),
    ("fine", [0.8, 0.3]),
    ("superb", [1.1, 0.2]),
    ("bad", [-1.0, 0.1]),
    ("awful", [-0.9, -0.3]),
    ("poor", [-0.8, 0.2]),
    ("dismal", [-1.1, 0.0]),
];

fn vectors(vocabulary: Option<String>) -> Vec<u8> {
    scaled_vectors(vocabulary, 1.0)
}

fn scaled_vectors(vocabulary: Option<String>, scale: f32) -> Vec<u8> {
    let numbers = VECTORS.iter().flat_map(|(_, vector)| vector);
    let data: Vec<u8> = numbers.flat_map(|x| (scale * x).to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![VECTORS.len(), 2], &data).unwrap();
    let metadata = vocabulary.map(|words| HashMap::from([("vocabulary".to_owned(), words)]));
    safetensors::serialize([("vectors", view)], metadata).unwrap()
}

fn words() -> String {
    VECTORS.map(|(word, _)| word).join("\n")
}

/// Reviews that have all the words but `superb` and `dismal`.
fn reviews(server: &Server) {
    let mut csv = String::from("review,mood\n");
    for _ in 0..20 {
        for (word, mood) in
            [("good", "up"), ("great", "up"), ("fine", "up"), ("bad", "down"), ("awful", "down"), ("poor", "down")]
        {
            csv.push_str(&format!("it was {word} I thought,{mood}\n"));
        }
    }
    server.upload("reviews", csv);
}

fn spec(table: &Value) -> Value {
    json!({
        "dataset": "reviews", "target": "mood", "hidden_layers": [], "epochs": 40,
        // Six reviews, twenty times each: kept together, all of one would validate and its word not be learned.
        "split": {"duplicates": "apart"},
        "inputs": {"embeddings": {"words": table}, "columns": {"review": {"as": "text", "embedding": "words"}}},
        "optimizer": {"type": "adagrad", "learning_rate": 0.1}
    })
}

fn mood(server: &Server, job: &Value, review: &str) -> (String, f64) {
    let path = format!("/v1/jobs/{}/predictions", job["id"].as_str().unwrap());
    let answer = server.post(&path, &json!({"rows": [{"review": review}]})).ok();
    let mood = &answer["predictions"][0]["mood"];
    (mood["label"].as_str().unwrap().to_owned(), mood["probabilities"]["up"].as_f64().unwrap())
}

#[test]
fn uploaded_vectors_start_their_words_and_lend_meaning_to_words_that_no_training_row_has() {
    let server = Server::start();
    reviews(&server);
    let uploaded = server.send("POST", "/v1/weights?name=tiny", &[], Some(&vectors(Some(words())))).ok();

    // At a rate that moves nothing the table is what was uploaded, behind <pad> and <unk>.
    let mut still = spec(&json!({"vectors": uploaded["id"]}));
    still["optimizer"]["learning_rate"] = json!(1e-30);
    let weights = server.weights(server.train(&still)["id"].as_str().unwrap(), "last");
    let file = SafeTensors::deserialize(&weights).unwrap();
    let table = file.tensor("embedding.words.weight").unwrap();
    assert_eq!(table.shape(), [2 + VECTORS.len() + 4, 2], "the words it, was, i, thought are learned");
    let given: Vec<u8> = VECTORS.iter().flat_map(|(_, vector)| vector).flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(table.data()[2 * 8..][..given.len()], given);

    let with = server.train(&spec(&json!({"vectors": uploaded["id"]})));
    assert_eq!(mood(&server, &with, "Superb").0, "up");
    assert_eq!(mood(&server, &with, "dismal").0, "down");
    let without = server.train(&spec(&json!({"dim": 2})));
    let (superb, dismal) = (mood(&server, &without, "superb").1, mood(&server, &without, "dismal").1);
    assert_eq!(superb, dismal, "without vectors both are <unk>");

    // What was learned comes back with its words and their counts.
    let path = format!("/v1/jobs/{}/embeddings/words", with["id"].as_str().unwrap());
    let page = server.get(&format!("{path}?limit=10")).ok();
    assert_eq!(page["data"][1]["word"], "<unk>");
    let count = |row: usize| page["data"][row]["count"].as_u64().unwrap();
    assert_eq!((&page["data"][5]["word"], count(5)), (&json!("superb"), 0));
    assert_eq!((2..10).map(count).sum::<u64>(), 96, "four fifths of the rows, a word each");
    assert_eq!(page["next_cursor"], "10");
    let csv = server.get(&format!("{path}?format=csv")).text();
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some("word,count,v0,v1"), 1 + 2 + VECTORS.len() + 4));
    let numbers: Vec<f64> = csv.lines().nth(3).unwrap().split(',').skip(2).map(|x| x.parse().unwrap()).collect();
    assert_eq!(json!(numbers), page["data"][2]["vector"]);
    let problem = server.get(&path.replace("words", "wrods")).problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().ends_with("it has words"), "{problem:#}");

    // A fork keeps the vocabulary, and the model keeps it after the file has been deleted.
    let more = json!({"warm_start": {"job": with["id"], "state": "weights"}, "epochs": 1});
    let path = format!("/v1/jobs/{}/fork", with["id"].as_str().unwrap());
    let fork = server.finished(server.post(&path, &more).ok()["id"].as_str().unwrap());
    assert_eq!(fork["status"], "succeeded", "{fork:#}");
    server.delete(&format!("/v1/weights/{}", uploaded["id"].as_str().unwrap())).ok();
    assert_eq!(mood(&server, &fork, "superb").0, "up");
}

#[test]
fn vectors_that_do_not_fit_are_refused_at_their_place_before_anything_runs() {
    let server = Server::start();
    reviews(&server);
    let uploaded = server.send("POST", "/v1/weights", &[], Some(&vectors(Some(words())))).ok();
    let nameless = server.send("POST", "/v1/weights", &[], Some(&vectors(None))).ok();
    let short = server.send("POST", "/v1/weights", &[], Some(&vectors(Some("good\nbad".into())))).ok();
    let cases = [
        (json!({"vectors": uploaded["id"], "dim": 50}), "/inputs/embeddings/words/dim", "have 2 dimensions, not 50"),
        (json!({"vectors": nameless["id"]}), "/inputs/embeddings/words/vectors", "metadata entry \"vocabulary\""),
        (json!({"vectors": short["id"]}), "/inputs/embeddings/words/vectors", "8 rows in vectors and 2 words"),
        (json!({"vectors": "wts_nope"}), "/inputs/embeddings/words/vectors", "wts_"),
    ];
    for (table, pointer, said) in cases {
        let problem = server.post("/v1/jobs", &spec(&table)).problem(422, "invalid_job_spec");
        let fault = &problem["errors"][0];
        assert_eq!(fault["pointer"], pointer, "{problem:#}");
        assert!(fault["detail"].as_str().unwrap().contains(said), "{problem:#}");
    }
    assert_eq!(server.get("/v1/jobs").ok()["data"], json!([]));
}

#[test]
fn a_check_looks_at_the_network_with_the_vectors_that_it_would_start_from() {
    let server = Server::start();
    reviews(&server);
    let uploaded = |name: &str, scale: f32| {
        let body = scaled_vectors(Some(words()), scale);
        server.send("POST", &format!("/v1/weights?name={name}"), &[], Some(&body)).ok()["id"].clone()
    };
    let check = |kind: &str, vectors: &Value| {
        let spec = spec(&json!({"vectors": vectors}));
        server.post("/v1/checks", &json!({"kind": kind, "spec": spec})).ok()
    };
    let (tiny, huge) = (uploaded("tiny", 1.0), uploaded("huge", 1e4));
    let gradient = check("gradient", &tiny);
    assert_eq!(gradient["verdict"], "passed", "{gradient:#}");
    let tensors = gradient["tensors"].as_array().unwrap();
    assert!(tensors.iter().any(|tensor| tensor["name"] == "embedding.words.weight"), "{gradient:#}");
    // Vectors of this length make the untrained network sure of what it says: the check has seen them.
    assert_eq!(check("initial_loss", &tiny)["verdict"], "passed");
    let sure = check("initial_loss", &huge);
    assert_eq!(sure["verdict"], "failed", "{sure:#}");
}
