//! How each part of the stack is started.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::{Model, Options, Stack};
use crate::config;
use crate::data_dir::DataDir;
use crate::supervisor::{Ready, Role, Spec};

pub(super) fn simulator(data_dir: &DataDir, port: u16) -> Spec {
    let folder = data_dir.path().display().to_string();
    let args = move |port: u16| {
        words(&["simulator", "--exit-with-parent", "--quiet", "--data-dir", &folder, "--listen", &address(port)])
    };
    Spec {
        role: Role::Simulator,
        name: "simulator".to_owned(),
        args: Arc::new(args),
        env: Vec::new(),
        port,
        log: data_dir.log("simulator"),
        ready: answers("/health"),
        pid_file: None,
    }
}

pub(super) fn api(stack: &Stack, n: u16, port: u16) -> Spec {
    let env = vec![
        ("DATABASE_URL", stack.database_url.clone()),
        ("JWKS_URL", format!("{}/.well-known/jwks.json", stack.simulator_url)),
        ("JWT_ISSUERS", hellosales_simulator::ISSUER.to_owned()),
    ];
    server(stack, (Role::Api, n), port, env)
}

pub(super) fn worker(stack: &Stack, options: &Options, n: u16, port: u16) -> Spec {
    // Who presses Ctrl-C doesn't wait for a model's whole answer; what runs is given back.
    let mut env = vec![("DATABASE_URL", stack.database_url.clone()), ("WORKER_GRACE_MS", "3000".to_owned())];
    if options.model != Model::Environment {
        // They name another server's models.
        env.extend(
            ["LLM_PROVIDER", "LLM_MODEL", "LLM_MODEL_FAST", "LLM_MODEL_QUALITY"].map(|key| (key, String::new())),
        );
    }
    match &options.model {
        Model::Environment => {}
        Model::Simulator => {
            // An empty key is none: what the environment has is for others.
            env.extend(config::PROVIDERS.iter().map(|key| (*key, String::new())));
            env.push(("LLM_BASE_URL", format!("{}/v1", stack.simulator_url)));
            env.push(("LLM_PROVIDER", "simulator".to_owned()));
            // Any key will do there; none is refused, as a vendor would.
            env.push(("LLM_API_KEY", "simulator".to_owned()));
        }
        Model::Server { url, model } => {
            env.push(("LLM_BASE_URL", url.clone()));
            env.push(("LLM_MODEL", model.clone()));
        }
    }
    if let Some(lease) = options.lease {
        env.push(("WORKER_LEASE_MS", lease.as_millis().to_string()));
    }
    if let Some(slots) = options.slots {
        env.push(("WORKER_SLOTS", slots.to_string()));
    }
    server(stack, (Role::Worker, n), port, env)
}

/// A command of ours that is told by its environment, and serves; the `n`th of its role.
fn server(stack: &Stack, (role, n): (Role, u16), port: u16, env: Vec<(&'static str, String)>) -> Spec {
    let name = format!("{}-{n}", role.as_str());
    Spec {
        role,
        args: Arc::new(move |port| words(&[role.as_str(), "--exit-with-parent", "--listen", &address(port)])),
        env,
        port,
        log: stack.data_dir.log(&name),
        name,
        ready: answers("/ready"),
        pid_file: None,
    }
}

/// Whether it answers this path with 200.
fn answers(path: &'static str) -> Ready {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    Arc::new(move |port| {
        let http = http.as_ref().ok().cloned();
        async move {
            let Some(http) = http else { return false };
            let answer = http.get(format!("http://127.0.0.1:{port}{path}")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        }
        .boxed()
    })
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
