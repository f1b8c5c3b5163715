//! `clients import`: a file, streamed.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::program::{Dev, Folder, program, said};

/// The program as a user of a stack.
fn asks(dev: &Dev, args: &[&str]) -> tokio::process::Command {
    let mut command = program(args);
    command.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    command
}

async fn import(dev: &Dev, args: &[&str]) -> Output {
    asks(dev, &[&["clients", "import"], args].concat()).output().await.expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_and_what_was_wrong_is_told_by_line() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let path = folder.path().join("clients.csv");
    let file = path.to_str().expect("a plain path");
    std::fs::write(&path, "Name,E-mail,Colour\nZoe,zoe@x.example,red\nYann,nonsense,blue\n").expect("written");

    let dry = import(&dev, &[file, "--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(4), "{}", said(&dry));
    assert!(out(&dry).starts_with("would be: 1 created, 0 updated, 0 unchanged, 1 rejected\n"), "{}", out(&dry));
    let nothing = import(&dev, &[file, "--mode", "all_or_nothing"]).await;
    assert_eq!((nothing.status.code(), said(&nothing).contains("nothing was imported")), (Some(4), true));
    let some = import(&dev, &[file]).await;
    assert_eq!(some.status.code(), Some(4));
    let lines: Vec<String> = out(&some).lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "1 created, 0 updated, 0 unchanged, 1 rejected",
        "line column code message",
        "3 E-mail invalid_email must be an email address",
    ];
    assert_eq!(lines, expected);
    assert!(said(&some).contains("Colour") && said(&some).contains("batch create --import"), "{}", said(&some));

    let mut piped = asks(&dev, &["clients", "import", "-", "-o", "json"]);
    let spawned = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut piped = spawned.expect("it starts");
    let mut stdin = piped.stdin.take().expect("stdin is a pipe");
    stdin.write_all(b"name,email\nZoe,zoe@x.example\nXi,\n").await.expect("it listens");
    drop(stdin);
    let piped = piped.wait_with_output().await.expect("it ends");
    assert_eq!(piped.status.code(), Some(0), "{}", said(&piped));
    let answer: Value = serde_json::from_str(&out(&piped)).expect("JSON");
    assert_eq!((&answer["created"], &answer["unchanged"]), (&1.into(), &1.into()));

    std::fs::write(&path, b"name\nM\xfcller\n").expect("written");
    let refused = import(&dev, &[file]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("line 2: "), "{}", said(&refused));
    assert_eq!(import(&dev, &["nowhere.csv"]).await.status.code(), Some(2));
    assert_eq!(import(&dev, &[file, "--mode", "some"]).await.status.code(), Some(2));
    let mut stranger = asks(&dev, &["clients", "import", file]);
    let stranger = stranger.env("HELLOSALES_TOKEN", "x.y.z").output().await.expect("it starts");
    assert_eq!(stranger.status.code(), Some(7), "{}", said(&stranger));
    dev.end("INT").await;
    let nobody =
        program(&["clients", "import", file, "--api-url", "http://127.0.0.1:1"]).output().await.expect("it starts");
    assert_eq!(nobody.status.code(), Some(6), "{}", said(&nobody));
}
