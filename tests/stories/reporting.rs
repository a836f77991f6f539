//! The page about a job: whole, alone, and harmless whatever names are in it.

use serde_json::{Value, json};

use crate::kit::Server;

/// Names that would be markup, were they not text.
const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

fn page(server: &Server, job: &Value) -> String {
    let answer = server.get(&format!("/v1/jobs/{}/report", job["id"].as_str().unwrap()));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    answer.text()
}

#[test]
fn the_report_has_everything_that_is_known_of_a_job() {
    let server = Server::start();
    server.sample("digits");
    let slow = server.train(&json!({
        "dataset": "digits", "target": "digit", "name": "slow", "epochs": 15, "seed": 1, "hidden_layers": [32, 32],
        "optimizer": {"type": "sgd", "learning_rate": 0.0003}, "checks": ["data", "initial_loss", "gradient", "init", "lr_range"]
    }));
    let path = format!("/v1/jobs/{}/fork?finding=steps_too_small", slow["id"].as_str().unwrap());
    let better = server.post(&path, &json!({})).ok();
    let better = server.finished(better["id"].as_str().unwrap());
    let page = page(&server, &better);
    for section in ["What limits it", "Curves", "Inside the layers", "Checks", "Evaluation", "Lineage", "Spec"] {
        assert!(page.contains(&format!("<h2>{section}</h2>")), "{section} is missing");
    }
    for said in [
        "val_loss before",
        "lr range",
        "update ratio",
        "steps too small: optimizer.learning_rate 0.0003",
        "Linear model",
    ] {
        let found = page.contains(said) || pictures(&page).iter().any(|picture| picture.contains(said));
        assert!(found, "{said} is not said");
    }
    assert!(pictures(&page).len() >= 12, "{}", pictures(&page).len());
    // Nothing from elsewhere: no address but in text, no script.
    for foreign in ["<script", "<link", "<iframe", "src=\"http", "src=\"/", "href=\"http", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // The same page is not made twice; a fork of the job makes another one.
    let path = format!("/v1/jobs/{}/report", better["id"].as_str().unwrap());
    let tag = server.get(&path).header("etag").unwrap().to_owned();
    assert_eq!(server.send("GET", &path, &[("if-none-match", &tag)], None).status, 304);
    let second = server.post(&format!("/v1/jobs/{}/fork", better["id"].as_str().unwrap()), &json!({"epochs": 2})).ok();
    server.finished(second["id"].as_str().unwrap());
    assert_eq!(server.send("GET", &path, &[("if-none-match", &tag)], None).status, 200);
}

/// The SVG documents in a page, as text.
fn pictures(page: &str) -> Vec<String> {
    use base64::Engine as _;
    let decode = |part: &str| {
        let data = part.split('"').next().unwrap();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data).unwrap()).unwrap()
    };
    page.split("data:image/svg+xml;base64,").skip(1).map(decode).collect()
}

#[test]
fn names_that_look_like_markup_stay_text_in_page_and_pictures() {
    let server = Server::start();
    let mut csv = format!("a,\"{}\",kind\n", EVIL.replace('"', "\"\""));
    for row in 0..120 {
        let label = if row % 3 == 0 { EVIL.replace('"', "\"\"") } else { "plain".to_owned() };
        csv.push_str(&format!("{},{},\"{label}\"\n", row % 7, (row * 31) % 11));
    }
    server.upload("hostile", csv);
    let job = server.train(&json!({
        "dataset": "hostile", "target": "kind", "tags": {"t": EVIL}, "epochs": 5, "checks": ["data", "init"]
    }));
    let page = page(&server, &job);
    let harmless = |text: &str| !text.contains("<script") && !text.contains("<img src=x");
    assert!(harmless(&page) && page.contains("&lt;script&gt;alert(1)"));
    assert!(pictures(&page).iter().all(|picture| harmless(picture)));
    assert!(pictures(&page).iter().any(|picture| picture.contains("&lt;script&gt;")), "the names are drawn, as text");
}

#[test]
fn a_job_that_has_done_nothing_and_one_whose_dataset_is_gone_have_reports() {
    let server = Server::start();
    server.sample("iris");
    let job = server.train(&json!({"dataset": "iris", "target": "species", "epochs": 5}));
    assert_eq!(server.delete("/v1/datasets/iris").status, 204);
    assert!(page(&server, &job).contains("the dataset of this job was deleted"));
    server.sample("wine");
    let failed = server.finished(&server.submit(&json!({
        "dataset": "wine", "target": "cultivar", "inputs": {"numeric": "none"}, "checks": ["data"], "on_failed_check": "stop"
    })));
    assert_eq!(failed["stop_reason"], "failed_check", "{failed:#}");
    let page = page(&server, &failed);
    assert!(page.contains("A check failed") && page.contains("unscaled columns") | page.contains("centred"), "{page}");
}

#[test]
fn every_check_and_every_statistic_of_layers_has_a_picture() {
    let server = Server::start();
    server.sample("iris");
    let all = ["data", "initial_loss", "gradient", "overfit", "init", "input_independent", "lr_range"];
    let job = server
        .train(&json!({"dataset": "iris", "target": "species", "activation": "relu", "epochs": 20, "checks": all}));
    let id = job["id"].as_str().unwrap();
    let drawn = |path: &str| {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{answer:?}");
        answer.text()
    };
    for kind in all {
        assert!(drawn(&format!("/v1/jobs/{id}/checks/{kind}.svg")).contains("passed"), "{kind}");
    }
    let reports = server.get(&format!("/v1/jobs/{id}/checks?limit=100")).ok();
    for report in reports["data"].as_array().unwrap() {
        drawn(report["picture"].as_str().unwrap());
    }
    for statistic in ["update_ratio", "dead_share", "activation_std", "gradient_rms", "weight_norm"] {
        assert!(drawn(&format!("/v1/jobs/{id}/layers.svg?statistic={statistic}")).contains("hidden.0"), "{statistic}");
    }
    server.get(&format!("/v1/jobs/{id}/layers.svg?statistic=mood")).problem(400, "malformed_request");
    server.get(&format!("/v1/jobs/{id}/checks/palmistry.svg")).problem(404, "not_found");
}
