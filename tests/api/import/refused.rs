//! What is refused, whole or by rows.

use hellosales_simulator::{Role, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{clients, of, send, written};
use crate::api::door::{Answer, Door};

/// A file whose fault comes when many rows wait already.
fn late(fault: &[u8]) -> Vec<u8> {
    let mut file = b"name,email\n".to_vec();
    for n in 0..1_200 {
        file.extend(format!("n{n},n{n}@x.example\n").bytes());
    }
    file.extend(fault);
    file
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_told_with_its_line_and_nothing_is_kept() {
    Door::run(async |door| {
        let ana = door.ana();
        let cases: [(Vec<u8>, u64, &str); 16] = [
            (b"".to_vec(), 1, "empty"),
            (b"\xef\xbb\xbf\r\n".to_vec(), 1, "empty"),
            (b"email,company\na@x.example,Acme\n".to_vec(), 1, "missing_column"),
            (b"Ana,Acme\n".to_vec(), 1, "missing_column"),
            (b"name,email,E-Mail\nAna,,\n".to_vec(), 1, "doubled_column"),
            (b"name,Name\nAna,Ana\n".to_vec(), 1, "doubled_column"),
            (b"name,email\nAna\n".to_vec(), 2, "ragged_row"),
            (b"name,email\nAna,a@x.example,more\n".to_vec(), 2, "ragged_row"),
            (b"name,email\nAna,\"a@x.example\nBo,\n".to_vec(), 2, "unclosed_quote"),
            (b"name\nM\xfcller\n".to_vec(), 2, "not_utf8"),
            (b"name\nA\0na\n".to_vec(), 2, "null_character"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0".to_vec(), 1, "not_text"),
            (late(b"Ana\n"), 1_202, "ragged_row"),
            (late(b"\"Ana,\n"), 1_202, "unclosed_quote"),
            (late(b"M\xfcller,\n"), 1_202, "not_utf8"),
            (late(&[b"\"".as_slice(), &[b'x'; 70_000]].concat()), 1_202, "too_long"),
        ];
        for (file, line, code) in cases {
            for query in ["", "?mode=all_or_nothing", "?dry_run=true"] {
                let answer = send(&ana, query, file.clone()).await;
                answer.fault(&format!("/{line}"), code);
                assert_eq!(answer.body["details"], json!({"line": line}));
                assert!(
                    answer.body["message"].as_str().is_some_and(|told| told.starts_with(&format!("line {line}: ")))
                );
            }
        }
        assert_eq!(written(door).await, 0);
    })
    .await;
}

#[tokio::test]
async fn rows_with_faults_are_told_and_the_others_kept_or_nothing_is() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = format!(
            "Full Name,email,company,industry\nAna,ana@x.example,,\n \u{a0},b@x.example,,\n{},,,\n\"Cy\nC\",c@,{},\nDi,,,{}\n",
            "n".repeat(256),
            "c".repeat(256),
            "i".repeat(101)
        );
        let expected = [
            (3, "Full Name", "blank"),
            (4, "Full Name", "too_long"),
            (5, "email", "invalid_email"),
            (5, "company", "too_long"),
            (7, "industry", "too_long"),
        ];
        let told = |import: &Value| {
            let errors = import["errors"].as_array().expect("a list").iter();
            errors.map(|e| (e["line"].as_u64(), e["column"].clone(), e["code"].clone())).collect::<Vec<_>>()
        };
        let expected: Vec<_> =
            expected.iter().map(|(line, column, code)| (Some(*line), json!(column), json!(code))).collect();
        for query in ["?mode=all_or_nothing", "?mode=all_or_nothing&dry_run=true"] {
            let none = send(&ana, query, file.clone()).await.expect(StatusCode::OK);
            assert_eq!((of(&none), told(&none)), ([0, 0, 0, 4], expected.clone()));
            assert!(none["import_id"].is_null() && none["id"].is_null());
            assert_eq!(written(door).await, 0);
        }
        let some = send(&ana, "?mode=keep_good", file).await.expect(StatusCode::OK);
        assert_eq!((of(&some), told(&some)), ([1, 0, 0, 4], expected));
        assert_eq!(clients(door).await, ["-/Ana/-/ana@x.example/-/1"]);
    })
    .await;
}

#[tokio::test]
async fn only_the_first_thousand_faults_are_told() {
    Door::run(async |door| {
        let file = "name,email\n".to_owned() + &"Ana,x\n".repeat(1_200);
        let import = send(&door.ana(), "", file).await.expect(StatusCode::OK);
        assert_eq!((of(&import), import["errors"].as_array().map(Vec::len)), ([0, 0, 0, 1_200], Some(1_000)));
        assert_eq!(import["errors_truncated"], true);
    })
    .await;
}

#[tokio::test]
async fn another_type_a_strange_parameter_and_a_caller_who_may_not_are_refused() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = "name\nAna\n";
        let typed = async |kind: &str| {
            let request = ana.request(Method::POST, "/clients/import").header("content-type", kind).body(file);
            Answer::of(request).await
        };
        for kind in ["application/json", "text/plain", "text/csv; charset=latin1", "multipart/form-data; boundary=x"] {
            typed(kind).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        Answer::of(ana.request(Method::POST, "/clients/import").body(file))
            .await
            .problem(415, "UNSUPPORTED_MEDIA_TYPE");
        let gzip = ana.request(Method::POST, "/clients/import").header("content-type", "text/csv");
        Answer::of(gzip.header("content-encoding", "gzip").body(file)).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        send(&ana, "?mode=some", file).await.fault("/mode", "unknown_value");
        send(&ana, "?dry_run=1", file).await.fault("/dry_run", "unknown_value");
        send(&ana, "?dryrun=true", file).await.fault("/dryrun", "unknown_parameter");
        let mut reader = TokenRequest::new("Acme", "Rita", Role::Member);
        reader.permissions = vec!["content:read".to_owned()];
        let rita = door.bearer(door.issuer.token(&reader));
        send(&rita, "", file).await.problem(403, "INSUFFICIENT_PERMISSIONS");
        send(&door.bearer("x.y.z".to_owned()), "", file).await.problem(401, "TOKEN_INVALID");
        assert_eq!(written(door).await, 0);
        typed("Text/CSV; charset=\"UTF-8\"").await.expect(StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn another_organisations_import_is_absent_and_its_clients_are_not_known_again() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", Role::Member));
        let file = "external_id,name,email\n7,Ana,ana@x.example\n";
        let import = send(&ana, "", file).await.expect(StatusCode::OK);
        let path = format!("/clients/imports/{}", import["id"].as_str().expect("an id"));
        let theirs = eve.get(&path).await;
        theirs.problem(404, "IMPORT_NOT_FOUND");
        let absent = eve.get(&format!("/clients/imports/{}", uuid::Uuid::now_v7())).await;
        assert_eq!(theirs.body["message"], absent.body["message"]);
        assert_eq!(of(&send(&eve, "", file).await.expect(StatusCode::OK)), [1, 0, 0, 0]);
        assert_eq!(door.bench.value::<i64>("SELECT count(DISTINCT org_id) FROM clients").await, 2);
    })
    .await;
}
