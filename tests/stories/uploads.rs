//! Data comes in by any of curl's three ways, is recognised when it comes again, and is given back byte by byte.

use serde_json::json;

use crate::kit::{Server, Settings};

const FLOWERS: &str = "length,species\n5.1,setosa\n4.9,setosa\n6.3,virginica\n5.8,virginica\n";
const BOUNDARY: &str = "----story";

/// What `curl -F file=@flowers.csv` sends, with further fields before the file.
fn form(fields: &[(&str, &str)], file_name: &str, bytes: &str) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: text/csv\r\n\r\n{bytes}\r\n--{BOUNDARY}--\r\n"
    );
    body.into_bytes()
}

fn form_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

#[test]
fn the_three_ways_of_curl_give_the_same_dataset() {
    let server = Server::start();
    // `--data-binary @flowers.csv` says that it is a form; the bytes decide.
    let raw = server.send(
        "POST",
        "/v1/datasets?name=flowers",
        &[("content-type", "application/x-www-form-urlencoded")],
        Some(FLOWERS.as_bytes()),
    );
    assert_eq!(raw.status, 201, "{raw:?}");
    let location = raw.header("location").unwrap().to_owned();
    let first = raw.ok();
    assert_eq!(first["rows"], 4);
    assert_eq!(first["columns"][1]["kind"], "categorical");
    assert_eq!(location, format!("/v1/datasets/{}", first["id"].as_str().unwrap()));
    assert_eq!(server.get(&location).ok(), first);

    // `-T flowers.csv`
    let put = server.send("PUT", "/v1/datasets/flowers", &[], Some(FLOWERS.as_bytes()));
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.ok()["id"], first["id"]);

    // `-F file=@flowers.csv`: the name is the file's.
    let sent = form(&[], "C:\\data\\flowers.csv", FLOWERS);
    let answer = server.send("POST", "/v1/datasets", &[("content-type", &form_type())], Some(&sent));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.ok()["id"], first["id"]);
    assert_eq!(server.get("/v1/datasets").ok()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn options_are_part_of_what_a_dataset_is() {
    let server = Server::start();
    let plain = server.upload("plain", "zip;n\n01234;1\n01235;2\n");
    let path = "/v1/datasets?name=asked&kinds=zip:categorical";
    let asked = server.send("POST", path, &[], Some(b"zip;n\n01234;1\n01235;2\n")).ok();
    assert_ne!(plain["id"], asked["id"]);
    assert_eq!(asked["columns"][0]["kind"], "categorical");
    // In a form, the options stand as fields.
    let sent = form(&[("kinds", "zip:categorical"), ("name", "again")], "x.csv", "zip;n\n01234;1\n01235;2\n");
    let again = server.send("POST", "/v1/datasets", &[("content-type", &form_type())], Some(&sent)).ok();
    assert_eq!(again["id"], asked["id"]);
    let wrong = server.send("POST", "/v1/datasets?kinds=zip:colour", &[], Some(b"zip;n\n1;1\n"));
    let problem = wrong.problem(400, "malformed_request");
    assert_eq!(problem["errors"][0]["parameter"], "kinds", "{problem:#}");
}

#[test]
fn a_taken_name_stays_with_its_bytes_until_it_is_moved() {
    let server = Server::start();
    let first = server.upload("data", FLOWERS);
    let other = FLOWERS.replace("5.1", "5.2");
    let answer = server.send("POST", "/v1/datasets?name=data", &[], Some(other.as_bytes()));
    let problem = answer.problem(409, "name_taken");
    assert!(problem["detail"].as_str().unwrap().contains("data"), "{problem:#}");

    let moved = server.send("PUT", "/v1/datasets/data", &[], Some(other.as_bytes()));
    assert_eq!(moved.status, 201, "{moved:?}");
    let second = moved.ok();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(server.get("/v1/datasets/data").ok()["id"], second["id"]);
    let old = server.get(&format!("/v1/datasets/{}", first["id"].as_str().unwrap())).ok();
    assert_eq!(old["name"], json!(null));
}

#[test]
fn rows_and_bytes_come_back() {
    let server = Server::start();
    let dataset = server.upload("flowers", FLOWERS);
    let rows = server.get("/v1/datasets/flowers/rows?offset=2&limit=1").ok();
    assert_eq!(rows["data"], json!([{"length": 6.3, "species": "virginica"}]));
    let csv = server.get("/v1/datasets/flowers/rows?limit=1&format=csv");
    assert_eq!(csv.text(), "length,species\n5.1,setosa\n");

    let file = server.get("/v1/datasets/flowers/file");
    assert_eq!(file.text(), FLOWERS);
    let tag = file.header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", dataset["sha256"].as_str().unwrap()));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"flowers.csv\""));
    assert_eq!(server.send("GET", "/v1/datasets/flowers/file", &[("if-none-match", &tag)], None).status, 304);

    let part = server.send("GET", "/v1/datasets/flowers/file", &[("range", "bytes=7-13")], None);
    assert_eq!((part.status, part.text().as_str()), (206, "species"));
    assert_eq!(part.header("content-range"), Some(format!("bytes 7-13/{}", FLOWERS.len()).as_str()));
    let outside = server.send("GET", "/v1/datasets/flowers/file", &[("range", "bytes=999-")], None);
    outside.problem(416, "range_not_satisfiable");
    let head = server.send("HEAD", "/v1/datasets/flowers/file", &[], None);
    assert_eq!(head.header("content-length"), Some(FLOWERS.len().to_string().as_str()));
    assert!(head.body.is_empty());
}

#[test]
fn what_is_deleted_is_gone() {
    let server = Server::start();
    server.upload("flowers", FLOWERS);
    assert_eq!(server.delete("/v1/datasets/flowers").status, 204);
    server.get("/v1/datasets/flowers").problem(404, "not_found");
    server.delete("/v1/datasets/flowers").problem(404, "not_found");
    assert_eq!(server.upload("flowers", FLOWERS)["rows"], 4);
}

#[test]
fn a_file_beyond_the_bound_is_refused_before_it_is_read() {
    let server = Server::with(Settings::default().arg("--max-upload-bytes", "100"));
    let problem = server.send("POST", "/v1/datasets?name=big", &[], Some(&[b'x'; 200_000])).problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("100"), "{problem:#}");
    assert_eq!(server.get("/v1/datasets").ok()["data"], json!([]));
    let small = server.send("POST", "/v1/datasets?name=small", &[], Some(FLOWERS.as_bytes()));
    assert_eq!(small.status, 201, "{small:?}");
}

#[test]
fn a_repeated_upload_with_its_key_gets_the_first_answer_even_after_a_restart() {
    let mut server = Server::start();
    let upload = |server: &Server, bytes: &str| {
        let headers = [("idempotency-key", "upload-1")];
        server.send("POST", "/v1/datasets?name=flowers", &headers, Some(bytes.as_bytes()))
    };
    let first = upload(&server, FLOWERS);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let first = first.ok();
    server.restart();
    let again = upload(&server, FLOWERS);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{again:?}");
    assert_eq!(again.ok(), first);
    upload(&server, "a,b\n1,2\n").problem(422, "idempotency_key_reused");
}

#[test]
fn other_formats_and_packed_files_train_as_csv_does() {
    let server = Server::start();
    server.sample("iris");
    let csv = server.get("/v1/datasets/iris/file").body;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &csv).unwrap();
    let packed = packed.finish().unwrap();
    let rows = server.get("/v1/datasets/iris/rows?limit=1000").ok();
    let lines: Vec<String> = rows["data"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let spec = |dataset: &str| json!({"dataset": dataset, "target": "species", "epochs": 5});
    let wanted = server.weights(server.train(&spec("iris"))["id"].as_str().unwrap(), "last");
    for (name, format, bytes) in [
        ("gzip", "csv", packed.clone()),
        ("zstd", "csv", zstd::encode_all(&csv[..], 3).unwrap()),
        ("lines", "ndjson", lines.join("\n").into_bytes()),
        ("array", "json", format!("[{}]", lines.join(",\n")).into_bytes()),
    ] {
        let dataset = server.upload(name, &bytes);
        assert_eq!((&dataset["format"], &dataset["rows"]), (&json!(format), &json!(150)), "{dataset:#}");
        assert_eq!(server.get(&format!("/v1/datasets/{name}/file")).body, bytes, "the original comes back");
        let job = server.train(&spec(name));
        assert_eq!(server.weights(job["id"].as_str().unwrap(), "last"), wanted, "{name} gives the same bits");
    }
    assert_eq!(server.get("/v1/datasets/gzip").ok()["options"]["compression"], "gzip");
    let commented = format!("# measured in 1936\n{}", String::from_utf8(csv).unwrap());
    let read = server.send("POST", "/v1/datasets?name=commented&comment=%23", &[], Some(commented.as_bytes())).ok();
    assert_eq!(read["rows"], 150, "{read:#}");

    let refuse =
        |bytes: &[u8]| server.send("POST", "/v1/datasets?name=x", &[], Some(bytes)).problem(422, "invalid_dataset");
    let problem = refuse(b"{\"x\":1}\n{\"x\":1,}\n");
    assert_eq!(
        (&problem["errors"][0]["line"], &problem["errors"][0]["column"]),
        (&json!(2), &json!("8")),
        "{problem:#}"
    );
    assert!(refuse(&packed[..packed.len() / 2])["detail"].as_str().unwrap().contains("gzip"));
    assert!(refuse(b"PAR1 and no more")["detail"].as_str().unwrap().contains("Parquet"));
    server.get("/v1/datasets/x").problem(404, "not_found");
}

#[test]
fn samples_are_drawn_by_parameters_and_the_same_ones_give_the_same_dataset() {
    let server = Server::start();
    let listed = server.get("/v1/samples").ok();
    let of =
        |name: &str| listed["data"].as_array().unwrap().iter().find(|sample| sample["name"] == name).unwrap().clone();
    for name in ["iris", "wine", "breast-cancer", "digits", "diabetes"] {
        let sample = of(name);
        assert!(sample["source"].as_str().unwrap().len() > 20 && sample["licence"].is_string(), "{sample:#}");
        assert_eq!(sample["parameters"], json!([]));
    }
    let rows = of("spirals")["parameters"][1].clone();
    assert_eq!((&rows["name"], &rows["default"], &rows["minimum"]), (&json!("rows"), &json!(1000), &json!(10)));

    let draw = |query: &str| server.post(&format!("/v1/samples/spirals{query}"), &json!({}));
    let plain = draw("").ok();
    let first = draw("?seed=7&rows=300&arms=3");
    assert_eq!(first.status, 201, "{first:?}");
    let first = first.ok();
    assert_eq!((&first["rows"], &first["name"]), (&json!(300), &json!("spirals-seed-7-rows-300-arms-3")));
    assert_eq!(first["columns"][2]["distinct"], 3);
    let again = draw("?arms=3&rows=300&seed=7");
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.ok()["id"], first["id"]);
    assert_eq!(draw("?seed=1&noise=0.04").ok()["id"], plain["id"], "defaults said aloud are defaults");
    assert_eq!(draw("?seed=8&name=mine").ok()["name"], "mine");

    let spec = |dataset: &str| json!({"dataset": dataset, "target": "arm", "epochs": 1});
    let job = server.train(&spec("sample:spirals?rows=300&seed=7&arms=3"));
    assert_eq!(job["dataset"]["id"], first["id"], "a spec draws the same");
    let problem = server.post("/v1/jobs", &spec("sample:spirals?rows=3")).problem(422, "invalid_job_spec");
    assert!(problem["errors"].to_string().contains("a whole number from 10 to 1000000"), "{problem:#}");

    let problem = draw("?rows=5&noise=many&clusters=2&sed=3&name=a%20b").problem(400, "malformed_request");
    assert_eq!(problem["errors"][0]["parameter"], "sed", "what is no parameter anywhere is told first: {problem:#}");
    let problem = draw("?rows=5&noise=many&clusters=2&name=a%20b").problem(400, "malformed_request");
    let named: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|fault| fault["parameter"].as_str().unwrap()).collect();
    assert_eq!(named, ["rows", "clusters", "noise", "name"], "{problem:#}");
    server.post("/v1/samples/iris?rows=10", &json!({})).problem(400, "malformed_request");
    server.post("/v1/samples/tulips", &json!({})).problem(404, "not_found");
}
