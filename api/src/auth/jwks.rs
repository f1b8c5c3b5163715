//! The issuers' public keys. One fetch at a time; an unknown key asks for a new one at most once a minute; in an
//! outage of the issuer the keys at hand stay good.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hellosales_core::ErrorCode;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Problem;

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// After this much time the keys are asked for again, so that a revoked one goes.
const REFRESH_AFTER: Duration = Duration::from_secs(10 * 60);
/// With keys at hand, an unknown one asks at most this often.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(60);
/// Without any, every request would ask: at most this often.
const NO_KEYS_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// A key; what it isn't for us (no RSA, another use or algorithm) is left out.
#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// A key and its id, if it has one.
type Identified = (Option<String>, Arc<DecodingKey>);

#[derive(Clone, Default)]
struct Known {
    /// Per URL, so that one issuer's outage doesn't take another's keys.
    sets: HashMap<String, Vec<Identified>>,
    fetched_at: Option<Instant>,
}

/// Whether a URL names this machine, which no proxy of the environment's reaches.
fn is_here(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else { return false };
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// All keys of the configured sets.
pub(crate) struct Jwks {
    http: reqwest::Client,
    /// The same without a proxy, for issuers on this machine.
    direct: reqwest::Client,
    urls: Vec<String>,
    known: RwLock<Known>,
    /// Held while fetching; when the last fetch began.
    fetching: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Of these URLs; nothing is fetched yet.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub(crate) fn new(urls: Vec<String>) -> Result<Self, reqwest::Error> {
        let client = || reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let (http, direct) = (client().build()?, client().no_proxy().build()?);
        Ok(Self { http, direct, urls, known: RwLock::default(), fetching: Mutex::default() })
    }

    /// The key of this id; without an id, the only key there is.
    ///
    /// # Errors
    /// 401 if there is no such key, 503 if there are no keys at all.
    pub(crate) async fn key(self: &Arc<Self>, kid: Option<&str>) -> Result<Arc<DecodingKey>, Problem> {
        if let Some(key) = self.find(kid) {
            if self.age().is_none_or(|age| age > REFRESH_AFTER) {
                let this = Arc::clone(self);
                // Not awaited: the key at hand is good meanwhile.
                drop(tokio::spawn(async move { this.fetch(UNKNOWN_KEY_EVERY).await }));
            }
            return Ok(key);
        }
        self.fetch(if self.is_ready() { UNKNOWN_KEY_EVERY } else { NO_KEYS_EVERY }).await;
        match self.find(kid) {
            Some(key) => Ok(key),
            None if self.is_ready() => Err(Problem::new(ErrorCode::TokenInvalid, "the token's key is not known here")),
            None => Err(Problem::new(ErrorCode::NotReady, "the issuer's keys can't be had").retry_after(2)),
        }
    }

    /// Whether there are keys; asks for them if there are none.
    pub(crate) async fn check(&self) -> bool {
        if !self.is_ready() {
            self.fetch(NO_KEYS_EVERY).await;
        }
        self.is_ready()
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_ready(&self) -> bool {
        self.known().fetched_at.is_some()
    }

    fn age(&self) -> Option<Duration> {
        self.known().fetched_at.map(|at| at.elapsed())
    }

    fn find(&self, kid: Option<&str>) -> Option<Arc<DecodingKey>> {
        let known = self.known();
        let mut keys = known.sets.into_values().flatten();
        match kid {
            Some(kid) => keys.find(|(id, _)| id.as_deref() == Some(kid)).map(|(_, key)| key),
            None => keys.next().filter(|_| keys.next().is_none()).map(|(_, key)| key),
        }
    }

    /// Fetches all sets, unless that was begun less than `every` ago. Who comes while another fetches waits for
    /// that fetch, and then finds that it was just begun.
    async fn fetch(&self, every: Duration) {
        let mut begun = self.fetching.lock().await;
        if begun.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        *begun = Some(Instant::now());
        for url in &self.urls {
            match self.fetch_one(url).await {
                Ok(keys) => {
                    let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                    known.sets.insert(url.clone(), keys);
                    known.fetched_at = Some(Instant::now());
                }
                Err(error) => tracing::warn!(url, error = %error, "the issuer's keys could not be fetched"),
            }
        }
    }

    async fn fetch_one(&self, url: &str) -> Result<Vec<Identified>, String> {
        let http = if is_here(url) { &self.direct } else { &self.http };
        let mut response = http.get(url).send().await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err("the key set is too large".to_owned());
            }
        }
        let set: KeySet = serde_json::from_slice(&body).map_err(|_| "not a key set".to_owned())?;
        let keys: Vec<_> = set.keys.into_iter().take(MAX_KEYS).filter_map(usable).collect();
        if keys.is_empty() { Err("no key for RS256 in it".to_owned()) } else { Ok(keys) }
    }
}

fn usable(key: Key) -> Option<Identified> {
    let fits = key.kty == "RSA"
        && key.usage.as_deref().is_none_or(|usage| usage == "sig")
        && key.alg.as_deref().is_none_or(|alg| alg == "RS256");
    let (n, e) = (key.n?, key.e?);
    let decoded = fits.then(|| DecodingKey::from_rsa_components(&n, &e).ok()).flatten()?;
    Some((key.kid, Arc::new(decoded)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hellosales_simulator::Issuer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    /// A key set on a port of its own, and how often it was asked for.
    async fn serve(issuer: &Issuer) -> (Arc<Jwks>, Arc<AtomicUsize>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let body = issuer.jwks().to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let asked = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let count = Arc::clone(&asked);
        serving.spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let _head = socket.read(&mut [0; 4096]).await;
                let _sent = socket.write_all(answer.as_bytes()).await;
            }
        });
        (Arc::new(Jwks::new(vec![url]).unwrap()), asked, serving)
    }

    #[tokio::test]
    async fn ten_at_once_ask_once_and_an_unknown_key_does_not_ask_again_within_the_minute() {
        let issuer = Issuer::ephemeral().unwrap();
        let (jwks, asked, _serving) = serve(&issuer).await;
        let found = futures::future::join_all((0..10).map(|_| jwks.key(Some(issuer.kid())))).await;
        assert!(found.iter().all(Result::is_ok));
        for _ in 0..5 {
            assert_eq!(jwks.key(Some("other")).await.err().unwrap().code(), ErrorCode::TokenInvalid);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn keys_at_hand_stay_good_when_the_issuer_is_gone() {
        let issuer = Issuer::ephemeral().unwrap();
        let (jwks, _, mut serving) = serve(&issuer).await;
        assert!(jwks.check().await);
        serving.shutdown().await;
        assert!(jwks.key(Some(issuer.kid())).await.is_ok());
        assert!(jwks.key(None).await.is_ok());
        assert_eq!(jwks.key(Some("other")).await.err().unwrap().code(), ErrorCode::TokenInvalid);
    }

    #[tokio::test]
    async fn no_keys_at_all_is_not_the_callers_fault() {
        let jwks = Arc::new(Jwks::new(vec!["http://127.0.0.1:9/".to_owned()]).unwrap());
        assert_eq!(jwks.key(Some("k")).await.err().unwrap().code(), ErrorCode::NotReady);
    }
}
