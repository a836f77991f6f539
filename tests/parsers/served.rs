//! A server in this process with a trained model: what is sent to it runs through the whole of the program.

use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use trainyard::api;

use crate::targets;

/// Sends the body of a prediction; gives the status of the answer, whose body is read to its end.
pub fn predict(kind: &str, body: &[u8]) -> u16 {
    static SERVED: OnceLock<(ureq::Agent, String)> = OnceLock::new();
    let (agent, url) = SERVED.get_or_init(start);
    let mut answer = agent.post(url).content_type(kind).send(body).expect("an answer");
    // A stream that must end before its body does is cut off, which is an error to who reads it.
    drop(answer.body_mut().with_config().limit(1 << 30).read_to_vec());
    answer.status().as_u16()
}

/// Starts the server and trains a model on rows with a column of each kind; the address of its predictions.
fn start() -> (ureq::Agent, String) {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut config = api::Config::local(folder.path());
        config.workers = 1;
        let ready = move |address| tell.send(address).expect("someone who waits");
        let served = runtime.expect("a runtime").block_on(api::serve(config, ready, std::future::pending()));
        panic!("the server ended: {served:?}");
    });
    let address = told.recv_timeout(Duration::from_secs(60)).expect("a server");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let url = format!("http://{address}/v1");
    let uploaded =
        agent.post(&format!("{url}/datasets?name=rows")).send(targets::rows().as_bytes()).expect("an answer");
    assert_eq!(uploaded.status(), 201);
    let spec = json!({"dataset": "rows", "targets": [{"column": "y"}, {"column": "price"}], "epochs": 2,
        "inputs": {"columns": {"id": "text", "part": "categorical"}}, "hidden_layers": [4]});
    let mut answer = agent.post(&format!("{url}/jobs?wait=60")).send_json(&spec).expect("an answer");
    let job: Value = answer.body_mut().read_json().expect("a job");
    assert_eq!(job["status"], "succeeded", "{job:#}");
    (agent, format!("{url}/jobs/{}/predictions", job["id"].as_str().unwrap_or_default()))
}
