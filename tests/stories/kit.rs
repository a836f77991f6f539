//! What a story needs: a real server in a folder of its own, and a small client that says what went wrong.
//!
//! A story starts the built binary on a free port, waits by `?wait=`, and ends it with the value's drop. Nothing here
//! knows what a network is.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http;

/// How long a story waits for a job before it fails; generous, for a busy machine and an unoptimised build.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running server and its data directory; both end with the value.
pub struct Server {
    child: Option<Child>,
    /// `http://127.0.0.1:PORT`, another port after a restart.
    pub url: String,
    agent: ureq::Agent,
    settings: Settings,
    folder: tempfile::TempDir,
}

/// How to start a server; `Settings::default()` is one worker, no key.
#[derive(Clone)]
pub struct Settings {
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer …` with each request.
    pub key: Option<String>,
    /// Where the data directory is made, if not among the temporary files.
    pub parent: Option<PathBuf>,
    /// A program that starts the server as its own process, such as `prlimit`.
    pub wrapper: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            args: vec!["--workers".into(), "1".into()],
            env: Vec::new(),
            key: None,
            parent: None,
            wrapper: Vec::new(),
        }
    }
}

impl Settings {
    pub fn workers(n: usize) -> Settings {
        Settings { args: vec!["--workers".into(), n.to_string()], ..Settings::default() }
    }

    pub fn arg(mut self, name: &str, value: &str) -> Settings {
        self.args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub fn wrapped(mut self, program: &[&str]) -> Settings {
        self.wrapper = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Settings {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the server a key and the client the same.
    pub fn key(mut self, key: &str) -> Settings {
        self.key = Some(key.to_owned());
        self.env("TRAINYARD_API_KEY", key)
    }
}

/// The program under test, with none of this environment's own settings.
pub fn trainyard() -> Command {
    wrapped_trainyard(&[])
}

/// As `trainyard`, started by another program.
fn wrapped_trainyard(wrapper: &[String]) -> Command {
    let binary = env!("CARGO_BIN_EXE_trainyard");
    let mut command = match wrapper {
        [] => Command::new(binary),
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(binary);
            command
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRAINYARD_") {
            command.env_remove(name);
        }
    }
    command
}

impl Server {
    /// Starts a server with one worker in a new data directory.
    pub fn start() -> Server {
        Server::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Server {
        let folder = match &settings.parent {
            Some(parent) => tempfile::tempdir_in(parent),
            None => tempfile::tempdir(),
        };
        let mut server = Server {
            child: None,
            url: String::new(),
            agent: agent(),
            settings,
            folder: folder.expect("temporary folder"),
        };
        server.launch();
        server
    }

    /// Starts a server over a data directory that is already there.
    pub fn over(data: &Path, settings: Settings) -> Server {
        let folder = tempfile::tempdir().expect("temporary folder");
        copy(data, &folder.path().join("data"));
        let mut server = Server { child: None, url: String::new(), agent: agent(), settings, folder };
        server.launch();
        server
    }

    /// Where the server keeps everything.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// What the server has written to standard error since its first start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Ends the server as a power cut would: SIGKILL, no time to write anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    /// Waits until a server that was to die by itself has; false when it ended in another way than by SIGKILL.
    pub fn was_killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let mut child = self.child.take().expect("the server ran");
        child.wait().expect("wait").signal() == Some(9)
    }

    /// Asks the server to stop (SIGTERM) and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM")
    }

    /// Sends the server a signal that ends it, and waits until it has.
    pub fn signal(&mut self, name: &str) -> ExitStatus {
        self.tell(name);
        self.child.take().expect("the server runs").wait().expect("wait")
    }

    /// Holds the server's process up, or lets it go on (`STOP`, `CONT`).
    pub fn tell(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Asks for the server's health again and again while something is done to it; each answer must come within a second.
    pub fn healthy_while<T>(&self, act: impl FnOnce() -> T) -> T {
        /// Ends the asking also when the story fails.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    assert_eq!(self.get("/healthz").status, 200);
                    slowest = slowest.max(asked.elapsed());
                    std::thread::park_timeout(Duration::from_millis(20)); // between two questions
                }
                slowest
            });
            let asked = Over(&over);
            let done = act();
            drop(asked);
            let slowest = asking.join().expect("health");
            assert!(slowest < Duration::from_secs(1), "the slowest answer of /healthz took {slowest:?}");
            done
        })
    }

    /// Opens a connection and sends a request that it does not read the answer of.
    pub fn connect(&self, request: &str) -> TcpStream {
        let host = self.url.strip_prefix("http://").expect("an address");
        let mut socket = TcpStream::connect(host).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket.write_all(request.replace("HOST", host).as_bytes()).expect("send");
        socket
    }

    /// A number of `/proc/PID/FILE` behind a word at the beginning of a line.
    pub fn proc_number(&self, file: &str, word: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("Linux");
        let line = text.lines().find_map(|line| line.strip_prefix(word)).expect("the word");
        line.split_whitespace().next().expect("a number").parse().expect("a number")
    }

    /// Processor time of the server so far.
    pub fn processor_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("Linux");
        let rest = text.rsplit_once(')').expect("a name").1;
        let ticks: u64 =
            rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10) // Linux tells hundredths of a second, whatever its own tick is
    }

    /// Starts the server again over the same data directory, after a SIGKILL if it still runs.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// As `restart`, with other settings.
    pub fn restart_with(&mut self, settings: Settings) {
        self.settings = settings;
        self.restart();
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("log file");
        let mut child = wrapped_trainyard(&self.settings.wrapper)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data_dir())
            .args(&self.settings.args)
            .envs(self.settings.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("start the server");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("first line");
        self.child = Some(child);
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            panic!("the server did not start; it said `{}` and logged:\n{}", line.trim(), self.log());
        };
        self.url = url.to_owned();
    }

    // ---- requests ---------------------------------------------------------------------------------------------------

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// Any request, with the headers as given.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\nserver log:\n{}", self.log()))
    }

    /// As `send`, for stories in which the server may be gone.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(key) = &self.settings.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(bytes) => self.agent.run(request.body(bytes.to_vec()).expect("request")),
            None => self.agent.run(request.body(()).expect("request")),
        };
        let (parts, mut body) = answer?.into_parts();
        let body = body.with_config().limit(1 << 30).read_to_vec()?;
        Ok(Answer { request: format!("{method} {path}"), status: parts.status.as_u16(), headers: parts.headers, body })
    }

    // ---- what most stories do ---------------------------------------------------------------------------------------

    /// Installs a bundled sample and returns the dataset.
    pub fn sample(&self, name: &str) -> Value {
        self.post(&format!("/v1/samples/{name}"), &json!({})).ok()
    }

    /// Uploads bytes under a name and returns the dataset.
    pub fn upload(&self, name: &str, bytes: impl AsRef<[u8]>) -> Value {
        let path = format!("/v1/datasets?name={name}");
        self.send("POST", &path, &[("content-type", "text/csv")], Some(bytes.as_ref())).ok()
    }

    /// Posts a job and returns its id.
    pub fn submit(&self, spec: &Value) -> String {
        let answer = self.post("/v1/jobs", spec);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Posts a job, waits until it has finished, and returns it; it must have succeeded.
    pub fn train(&self, spec: &Value) -> Value {
        let job = self.finished(&self.submit(spec));
        assert_eq!(job["status"], "succeeded", "{job:#}\nserver log:\n{}", self.log());
        job
    }

    /// Waits until the job has finished, however it ended.
    pub fn finished(&self, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get(&format!("/v1/jobs/{id}?wait=20")).ok();
            if ["succeeded", "failed", "cancelled"].iter().any(|end| job["status"] == *end) {
                return job;
            }
            assert!(Instant::now() < deadline, "{id} has not finished: {job:#}\nserver log:\n{}", self.log());
        }
    }

    /// Waits, change by change, until the job looks as wanted; fails when it finishes without.
    pub fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            let path = if seen.is_empty() { format!("/v1/jobs/{id}") } else { format!("/v1/jobs/{id}?wait=20") };
            let headers = [("if-none-match", seen.as_str())];
            let answer = self.send("GET", &path, if seen.is_empty() { &[] } else { &headers }, None);
            assert!(Instant::now() < deadline, "{id}: what was waited for did not come\n{}", self.log());
            if answer.status == 304 {
                continue;
            }
            let tag = answer.header("etag").unwrap_or_default().to_owned();
            let job = answer.ok();
            if wanted(&job) {
                return job;
            }
            assert!(job["finished_at"].is_null(), "{id} finished before it looked as wanted: {job:#}");
            assert!(!tag.is_empty(), "a job's answer carries no ETag");
            seen = tag;
        }
    }

    /// The safetensors file of a checkpoint (`best`, `last`, an id).
    pub fn weights(&self, job: &str, checkpoint: &str) -> Vec<u8> {
        let answer = self.get(&format!("/v1/jobs/{job}/checkpoints/{checkpoint}/weights"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The accuracy that an evaluation of the job reports.
    pub fn accuracy(&self, job: &str, query: &str) -> f64 {
        let evaluation = self.get(&format!("/v1/jobs/{job}/evaluation?{query}")).ok();
        find_number(&evaluation, "accuracy").unwrap_or_else(|| panic!("no accuracy in {evaluation:#}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("---- last lines of the server's log");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// An answer, whatever its status.
pub struct Answer {
    request: String,
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of a successful answer as JSON (`null` when empty).
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8 body")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("header in ASCII"))
    }

    /// The body as a problem document, after checking that it is one with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {self:?}");
        }
        problem
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.body);
        let short: String = text.chars().take(4000).collect();
        write!(f, "{} -> {} {short}", self.request, self.status)
    }
}

/// A file of this repository.
pub fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first number with this name, anywhere in the document.
pub fn find_number(value: &Value, name: &str) -> Option<f64> {
    match value {
        Value::Object(fields) => match fields.get(name).and_then(Value::as_f64) {
            Some(number) => Some(number),
            None => fields.values().find_map(|inner| find_number(inner, name)),
        },
        Value::Array(items) => items.iter().find_map(|inner| find_number(inner, name)),
        _ => None,
    }
}

/// Says that a story is left out on this machine, so that nobody takes it for a pass.
pub fn skipped(why: &str) {
    eprintln!("\n!!! SKIPPED: {}: {why}\n", std::thread::current().name().unwrap_or("a story"));
}

/// Copies a folder with all it holds.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}
