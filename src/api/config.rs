//! What a server is told at its start, and why it may refuse to start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::store::{Retention, StoreError};
use crate::worker;

/// Everything `serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory that holds everything the server keeps.
    pub data_dir: PathBuf,
    /// How many jobs train at the same time.
    pub workers: usize,
    /// The key that clients send as a bearer token; without one only loopback is served.
    pub api_key: Option<ApiKey>,
    /// Host names that requests may name, beside loopback's; empty with a key means any.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call this server from a browser.
    pub cors_origins: Vec<String>,
    /// Bounds on what clients send.
    pub limits: Limits,
    /// Which finished jobs are kept.
    pub retention: Retention,
    /// How long running jobs and open answers get to end when the server is told to stop.
    pub drain: Duration,
    /// The dashboard's page and assets, public without a key.
    pub page: axum::Router,
}

impl Config {
    /// A configuration for loopback on a free port, without a key and without a page.
    pub fn local(data_dir: impl Into<PathBuf>) -> Config {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data_dir.into(),
            workers: 2,
            api_key: None,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            limits: Limits::default(),
            retention: Retention::default(),
            drain: Duration::from_secs(20),
            page: axum::Router::new(),
        }
    }

    /// Refuses to show an open server to the network, in a container too.
    ///
    /// # Errors
    /// The address is not loopback and there is no key.
    pub fn refuse_exposure(&self) -> Result<(), StartError> {
        if self.api_key.is_none() && !self.listen.ip().is_loopback() {
            return Err(StartError::Exposed { address: self.listen });
        }
        Ok(())
    }
}

/// Bounds on what clients send; beyond one of them the answer is `413` and names it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a data or weights file, as sent and as unpacked.
    pub upload_bytes: u64,
    /// Bytes of a JSON body, as unpacked.
    pub json_bytes: usize,
    /// Event streams open at the same time.
    pub streams: usize,
    /// Of these for one client, by its address.
    pub streams_per_client: usize,
    /// Requests that wait (`?wait=`) at the same time.
    pub waits: usize,
    /// Jobs that may wait in the queue.
    pub queue: u64,
    /// Bytes of memory that running jobs may need together, by their estimates.
    pub memory_bytes: u64,
    /// Bytes of the data directory's file system that stay free: with less, nothing new is taken in and jobs pause.
    pub keep_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            upload_bytes: 10 << 30,
            json_bytes: 32 << 20,
            streams: 2048,
            streams_per_client: 1024,
            waits: 1024,
            queue: 100_000,
            memory_bytes: worker::memory_budget(),
            keep_free_bytes: 256 << 20,
        }
    }
}

/// The server's key, kept only as its SHA-256.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
}

impl ApiKey {
    /// Takes a key of at least 16 printable ASCII characters without spaces.
    ///
    /// # Errors
    /// A text that is too short to be a secret or cannot stand in a header.
    pub fn new(key: &str) -> Result<ApiKey, String> {
        if key.len() < 16 {
            return Err(
                "the API key must have at least 16 characters; `openssl rand -hex 32` makes a good one".to_owned()
            );
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the API key must be printable ASCII without spaces".to_owned());
        }
        Ok(ApiKey { digest: Sha256::digest(key).into() })
    }

    /// Whether `candidate` is the key; takes the same time wherever they differ.
    pub fn matches(&self, candidate: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate).into();
        digest.ct_eq(&self.digest).into()
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Without a key a server beyond loopback would be anyone's.
    #[error(
        "refusing to listen on {address} without an API key: anyone who reaches it could use it. \
         Set TRAINYARD_API_KEY (or --api-key-file), or listen on loopback (--listen 127.0.0.1:{})",
        address.port()
    )]
    Exposed {
        /// The refused address.
        address: SocketAddr,
    },
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A flag's value cannot be used, and why.
    #[error("{0}")]
    Flag(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_key_stays_on_loopback() {
        let mut config = Config::local("unused");
        assert!(config.refuse_exposure().is_ok());
        config.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        let refusal = config.refuse_exposure().unwrap_err().to_string();
        assert!(refusal.contains("TRAINYARD_API_KEY"), "{refusal}");
        config.api_key = Some(ApiKey::new("0123456789abcdef").unwrap());
        assert!(config.refuse_exposure().is_ok());
    }

    #[test]
    fn a_key_matches_itself_alone_and_is_never_shown() {
        let key = ApiKey::new("0123456789abcdef").unwrap();
        assert!(key.matches("0123456789abcdef"));
        assert!(!key.matches("0123456789abcdeF"));
        assert!(!key.matches(""));
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        assert!(ApiKey::new("short").is_err());
    }
}
