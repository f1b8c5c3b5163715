//! Rules of style that no linter knows, run as tests. Each says what it found and where.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file of the tree, with its path from the root.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// Every text file that is part of the source: what git would track.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    walk(Path::new(ROOT), &mut found);
    assert!(found.len() > 50, "the tree was not found");
    found
}

fn walk(folder: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In a worktree `.git` is a file, and names its machine.
        if name == ".git" {
            continue;
        }
        let skipped = ["target", "node_modules", ".hellosales", ".sqlx", "__pycache__"];
        if path.is_dir() {
            if !skipped.contains(&name.as_str()) {
                walk(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push(File { path: relative(&path), text });
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned()
}

fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn nothing(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn lines_with<'a>(file: &'a File, what: &'a str) -> impl Iterator<Item = String> + 'a {
    file.text
        .lines()
        .enumerate()
        .filter(move |(_, line)| line.contains(what))
        .map(|(n, line)| format!("{}:{}: {}", file.path, n + 1, line.trim()))
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    let long = rust_files().into_iter().filter(|file| file.text.lines().count() > 400);
    nothing(
        &long
            .map(|file| format!("{}: {} lines; is it still one noun?", file.path, file.text.lines().count()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_name_says_nothing() {
    let empty = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "mod"];
    let bad = rust_files().into_iter().filter(|file| {
        let path = PathBuf::from(&file.path);
        path.with_extension("").components().any(|part| empty.contains(&part.as_os_str().to_string_lossy().as_ref()))
    });
    nothing(&bad.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn only_core_speaks_sql() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.is_under(&["api/src", "worker/src", "simulator/src", "cli/"]))
        .flat_map(|file| lines_with(file, "sqlx::").collect::<Vec<_>>())
        .collect();
    nothing(&found);
}

#[test]
fn core_knows_no_http() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.is_under(&["core/src"]))
        .flat_map(|file| {
            ["axum::", "reqwest::", "hyper::"].iter().flat_map(|what| lines_with(file, what)).collect::<Vec<_>>()
        })
        .collect();
    nothing(&found);
}

#[test]
fn the_simulator_imports_nothing_of_ours() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.is_under(&["simulator/src"]))
        .flat_map(|file| {
            ["hellosales_core", "hellosales_api", "hellosales_worker"]
                .iter()
                .flat_map(|what| lines_with(file, what))
                .collect::<Vec<_>>()
        })
        .collect();
    nothing(&found);
}

#[test]
fn only_the_queue_writes_runs_and_steps() {
    let writes = [
        "INSERT INTO pipeline_steps",
        "UPDATE pipeline_steps",
        "DELETE FROM pipeline_steps",
        "INSERT INTO pipeline_runs",
        "DELETE FROM pipeline_runs",
    ];
    let found: Vec<_> = files()
        .iter()
        .filter(|file| {
            file.is_under(&["core/src", "api/src", "worker/src", "cli/"]) && !file.path.starts_with("core/src/queue")
        })
        .filter(|file| !file.path.contains("/tests"))
        .flat_map(|file| {
            let statuses = file.text.split("UPDATE pipeline_runs").skip(1).filter(|after| {
                let statement = after.split(['"', ';']).next().unwrap_or_default();
                statement.contains(" status =")
            });
            let statuses: Vec<_> = statuses.map(|_| format!("{}: writes a run's status", file.path)).collect();
            writes.iter().flat_map(|what| lines_with(file, what)).chain(statuses).collect::<Vec<_>>()
        })
        .collect();
    nothing(&found);
}

#[test]
fn every_rule_of_the_protocol_has_a_test_with_its_number() {
    let tests: String = rust_files()
        .into_iter()
        .filter(|file| file.is_under(&["tests/"]) && file.path != "tests/tidy.rs")
        .map(|file| file.text)
        .collect();
    let missing: Vec<_> = (1..=10).map(|n| format!("fn rule_{n:02}_")).filter(|name| !tests.contains(name)).collect();
    nothing(&missing);
}

#[test]
fn every_error_code_is_in_the_docs() {
    let docs: String = files().into_iter().filter(|file| file.is_under(&["docs/"])).map(|file| file.text).collect();
    let missing: Vec<_> = hellosales_core::ErrorCode::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|code| !docs.contains(code))
        .map(str::to_owned)
        .collect();
    nothing(&missing);
}

#[test]
fn every_setting_is_in_the_example_environment_and_every_example_has_a_reader() {
    let example = fs::read_to_string(Path::new(ROOT).join(".env.example")).unwrap();
    let listed: Vec<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.len() > 3 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert!(listed.len() > 10);
    let code: String =
        rust_files().into_iter().filter(|file| !file.is_under(&["tests/"])).map(|file| file.text).collect();
    let compose = fs::read_to_string(Path::new(ROOT).join("docker-compose.yml")).unwrap();
    let is_read = |name: &str| code.contains(&format!("\"{name}\"")) || compose.contains(&format!("${{{name}"));
    let unread = listed.iter().filter(|name| !is_read(name)).map(|name| format!("{name} has no reader"));
    nothing(&unread.collect::<Vec<_>>());
}

#[test]
fn every_folder_and_room_is_on_the_map() {
    let map = fs::read_to_string(Path::new(ROOT).join("docs/ARCHITECTURE.md")).unwrap();
    let rooms = rust_files().into_iter().filter(|file| {
        let depth = file.path.split('/').count();
        file.is_under(&["core/src/", "worker/src/", "api/src/", "simulator/src/"])
            && depth == 3
            && !file.path.ends_with("lib.rs")
    });
    let missing: Vec<_> = rooms
        .map(|file| file.path)
        .filter(|path| {
            let name = Path::new(path).file_stem().unwrap().to_string_lossy().into_owned();
            !map.contains(&format!("`{name}`")) && !map.contains(&format!("`{name}.rs`"))
        })
        .collect();
    nothing(&missing);
}

#[test]
fn links_in_the_docs_resolve() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let folder = Path::new(ROOT).join(&file.path).parent().unwrap().to_path_buf();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", file.path));
            }
        }
    }
    nothing(&broken);
}

#[test]
fn nothing_is_unfinished_and_no_machine_is_named() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("unimple", "mented!"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("#[ig", "nore"),
    ];
    let found: Vec<_> = files()
        .iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| marks.iter().flat_map(|what| lines_with(file, what)).collect::<Vec<_>>())
        .collect();
    nothing(&found);
}

#[test]
fn tests_wait_for_signals_and_not_for_time() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.is_under(&["tests/"]) && !file.path.starts_with("tests/harness"))
        .filter(|file| file.path != "tests/tidy.rs")
        // What other processes do can't be waited for by a signal: `eventually` asks again and again.
        .filter(|file| file.path != "tests/cli/program.rs")
        .flat_map(|file| lines_with(file, "sleep(").collect::<Vec<_>>())
        .collect();
    nothing(&found);
}
