//! Places for answers that stay open: bounded in total, and for each client, so that one of them cannot take all.
//!
//! A client is the address that its connection comes from; behind a proxy that is the proxy's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::{Kind, Problem};

/// The address that a request's connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or(Peer(None)))
    }
}

/// A bounded number of places.
pub(crate) struct Places {
    most: usize,
    most_per_client: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    clients: HashMap<Peer, usize>,
}

impl Places {
    pub(crate) fn new(most: usize, most_per_client: usize) -> Places {
        Places { most, most_per_client, taken: Arc::default() }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Takes a place for a client, until the value is dropped.
    pub(crate) fn take(&self, client: Peer) -> Result<Place, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.clients.get(&client).copied().unwrap_or(0);
        let crowded = |detail: String| Err(Problem::new(Kind::TooMany, detail).retry_after(5));
        if own >= self.most_per_client {
            return crowded(format!("this client has {own} streams open, and may have no more"));
        }
        if taken.total >= self.most {
            return crowded(format!("{} streams are open, and there may be no more", taken.total));
        }
        taken.total += 1;
        taken.clients.insert(client, own + 1);
        Ok(Place { client, taken: Arc::clone(&self.taken) })
    }
}

/// A place that is free again when this is dropped.
pub(crate) struct Place {
    client: Peer,
    taken: Arc<Mutex<Taken>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        match taken.clients.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.clients.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_take_every_place_and_a_place_left_is_free_again() {
        let places = Places::new(3, 2);
        let [greedy, other] = [1, 2].map(|last| Peer(Some(IpAddr::from([127, 0, 0, last]))));
        let first = places.take(greedy).ok().unwrap();
        let _second = places.take(greedy).ok().unwrap();
        assert!(places.take(greedy).is_err_and(|problem| problem.detail().contains("this client")));
        let third = places.take(other).ok().unwrap();
        assert!(places.take(other).is_err_and(|problem| problem.detail().contains("3 streams")));
        drop((first, third));
        assert!(places.take(other).is_ok() && places.take(greedy).is_ok());
    }
}
