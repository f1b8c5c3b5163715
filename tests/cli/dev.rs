//! `dev`: all comes up, what dies comes back, nothing is left, and the data stays.

use super::program::{Dev, Folder, eventually, is_alive, run, said, send};
use crate::harness::database::connect;

async fn status_of_me(url: &str, token: &str) -> u16 {
    let answer = reqwest::Client::new().get(format!("{url}/auth/me")).bearer_auth(token).send().await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_comes_up_with_a_token_that_works_and_ctrl_c_leaves_nothing_running() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--apis", "2", "--workers", "2"]).await;
    let keys: Vec<_> = dev.line.as_object().expect("an object").keys().cloned().collect();
    let mut expected = ["url", "token", "simulator_url", "database_url", "data_dir", "processes"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let counts = ["api", "worker", "simulator", "postgres"].map(|role| dev.pids(role).len());
    assert_eq!(counts, [2, 2, 1, 1]);
    assert_eq!(status_of_me(dev.text("url"), dev.text("token")).await, 200);
    let made = ["token", "--org", "Other", "--user", "Olga", "--role", "member", "--data-dir", folder.text()];
    let token = String::from_utf8(run(&made).await.stdout).expect("a token");
    assert_eq!(status_of_me(dev.text("url"), token.trim()).await, 200);
    let deep = run(&["doctor", "--deep", "--database-url", dev.text("database_url")]).await;
    assert_eq!(deep.status.code(), Some(0), "{}", String::from_utf8_lossy(&deep.stdout));
    let pids = dev.all_pids();
    let (code, talk) = dev.end("INT").await;
    assert_eq!(code, Some(0), "{talk}");
    assert!(!pids.into_iter().any(is_alive), "something is left running: {talk}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_the_data_of_the_first_and_says_so() {
    let folder = Folder::new();
    let mut counts = Vec::new();
    for start in 0..2 {
        let dev = Dev::start(&folder, &["--workers", "0", "--port", "0"]).await;
        assert!(!dev.text("url").ends_with(":0"), "{}", dev.text("url"));
        let mut owner = connect(dev.text("database_url")).await;
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM clients").fetch_one(&mut owner).await.expect("a count");
        counts.push(count);
        drop(owner);
        let (_, talk) = dev.end("TERM").await;
        assert_eq!(talk.contains("found again"), start == 1, "{talk}");
    }
    assert_eq!(counts, [3, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_under_dev_is_started_again_and_said() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    for role in ["worker", "simulator", "postgres", "api"] {
        send("KILL", dev.pids(role)[0]).await;
    }
    let (url, token) = (dev.text("url").to_owned(), dev.text("token").to_owned());
    eventually("the api is back", async || status_of_me(&url, &token).await == 200).await;
    let worker = dev.line["processes"].as_array().expect("processes").iter().find(|p| p["role"] == "worker");
    let ready = format!("{}/ready", worker.expect("a worker")["url"].as_str().expect("a url"));
    eventually("the worker is back", async || {
        reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    let (code, talk) = dev.end("INT").await;
    assert_eq!(code, Some(0), "{talk}");
    for name in ["api-1", "worker-1", "simulator", "postgres"] {
        assert!(talk.contains(&format!("! {name} ")), "nothing is said of {name}: {talk}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dev_leaves_nothing_behind_and_a_second_one_is_told_who_holds_the_folder() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let second = run(&["dev", "--json", "--data-dir", folder.text()]).await;
    assert_eq!(second.status.code(), Some(5), "{}", said(&second));
    assert!(said(&second).contains(dev.text("url")), "{}", said(&second));
    let pids = dev.all_pids();
    dev.end("KILL").await;
    eventually("all have followed", async || !pids.iter().copied().any(is_alive)).await;
}
