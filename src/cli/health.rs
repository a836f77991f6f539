//! `trainyard health`: asks a server whether it is ready. It is what the container's health check runs.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// The flags of `trainyard health`.
#[derive(Debug, Parser)]
pub struct Args {
    /// The server's address [default: where `serve` would listen by TRAINYARD_LISTEN]
    #[arg(long, env = "TRAINYARD_URL", value_name = "URL")]
    url: Option<String>,

    #[arg(long, env = "TRAINYARD_LISTEN", default_value = "127.0.0.1:8080", hide = true)]
    listen: String,

    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    timeout: u64,
}

/// Returns 0 when the server is ready, 1 when it answers that it is not, 4 when it cannot be reached.
pub fn run(args: &Args) -> ExitCode {
    let url = format!("{}/readyz", args.base());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(args.timeout)))
        .http_status_as_error(false)
        .build()
        .into();
    match agent.get(&url).call() {
        Ok(mut answer) => {
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            say(text.trim_end());
            if answer.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(&format!("{url}: {error}"));
            ExitCode::from(4)
        }
    }
}

impl Args {
    /// A server that listens on all interfaces is asked over loopback.
    fn base(&self) -> String {
        match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let port = self.listen.rsplit_once(':').map_or("8080", |(_, port)| port);
                let host = if self.listen.starts_with("[::1]") { "[::1]" } else { "127.0.0.1" };
                format!("http://{host}:{port}")
            }
        }
    }
}

fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}
