//! What files look like.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{clients, counts, of, send, written};
use crate::api::door::Door;

#[tokio::test]
async fn an_import_has_every_member_and_is_shown_again() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = "Name,E-mail,Favourite colour\nAna,ana@x.example,red\nBo,nonsense,blue\n";
        let answer = send(&ana, "", file).await;
        let location = answer.header("location").expect("a location").to_owned();
        let import = answer.expect(StatusCode::OK);
        let id = import["id"].as_str().expect("an id");
        assert_eq!(location, format!("/clients/imports/{id}"));
        let members: String = door.bench.value("SELECT string_agg(n || ' ' || name, ',' ORDER BY n) FROM client_import_members m JOIN clients c ON c.id = m.client_id").await;
        assert_eq!(members, "0 Ana");
        let mut rest = import.clone();
        let fields = rest.as_object_mut().expect("an object");
        assert!(fields.remove("created_at").is_some_and(|at| at.is_string()));
        assert!(fields.remove("created_by").is_some_and(|by| by.is_string()));
        let error = json!({"line": 3, "column": "E-mail", "code": "invalid_email", "message": "must be an email address"});
        let expected = json!({
            "object": "client_import", "id": id, "import_id": id, "mode": "keep_good", "dry_run": false,
            "created": 1, "updated": 0, "unchanged": 0, "rejected": 1, "errors": [error], "errors_truncated": false,
            "ignored_columns": ["Favourite colour"]
        });
        assert_eq!(rest, expected);
        assert_eq!(ana.get(&location).await.expect(StatusCode::OK), import);
    })
    .await;
}

#[tokio::test]
async fn bom_crlf_quotes_quoted_newlines_separators_and_order_are_read() {
    Door::run(async |door| {
        let ana = door.ana();
        let files = [
            "\u{feff}email,name,company\r\na1@x.example,\"Ruiz, Ana\",\"Acme \"\"A\"\"\"\r\n",
            "company;NAME;e_mail\nAcme;\"Bo\nB\";b1@x.example",
            "Full Name\tEmail Address\tOrganisation\nCy\tc1@x.example\t\n\n\t\t\n",
            "First name,Last name\nDi,Ó Sé\n",
        ];
        for file in files {
            assert_eq!(counts(&ana, "", file).await, [1, 0, 0, 0], "{file:?}");
        }
        let expected = [
            "-/Bo\nB/Acme/b1@x.example/-/1",
            "-/Cy/-/c1@x.example/-/1",
            "-/Di Ó Sé/-/-/-/1",
            "-/Ruiz, Ana/Acme \"A\"/a1@x.example/-/1",
        ];
        assert_eq!(clients(door).await, expected);
    })
    .await;
}

#[tokio::test]
async fn every_field_comes_in_lists_are_parted_and_formulas_stand_as_they_are() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = "id,name,company,title,industry,email,pain points,goals,objections,communication style,decision criteria\n\
            c-1,\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",@SUM(1),+1,-retail,a@x.example,slow; dear |; ,grow,=1+1;no,brief,price|fit\n";
        assert_eq!(counts(&ana, "", file).await, [1, 0, 0, 0]);
        let row: Value = door.bench.value("SELECT to_jsonb(c) - 'id' - 'org_id' - 'created_at' - 'updated_at' - 'words' - 'facts_digest' - 'email_key' - 'person_key' FROM clients c").await;
        let expected = json!({
            "external_id": "c-1", "name": "=HYPERLINK(\"http://x\",\"y\")", "company": "@SUM(1)", "title": "+1", "industry": "-retail",
            "email": "a@x.example", "pain_points": ["slow", "dear"], "goals": ["grow"], "objection_patterns": ["=1+1", "no"],
            "communication_style": "brief", "decision_criteria": ["price", "fit"], "is_active": true, "version": 1
        });
        assert_eq!(row, expected);
        // Where ; parts the columns it parts no list.
        assert_eq!(counts(&ana, "", "name;goals\nBo;\"a;b|c\"\n").await, [1, 0, 0, 0]);
        let goals: Value = door.bench.value("SELECT goals FROM clients WHERE name = 'Bo'").await;
        assert_eq!(goals, json!(["a;b", "c"]));
    })
    .await;
}

#[tokio::test]
async fn names_of_any_script_come_in_whole_up_to_255_characters() {
    Door::run(async |door| {
        let ana = door.ana();
        let names =
            ["مريم \u{202e}abc", "👩‍👩‍👧 Ana", "'; DROP TABLE clients; --", "<script>alert(1)</script>", &"🦀".repeat(255)];
        let file = names.iter().fold("name\n".to_owned(), |file, name| file + name + "\n");
        assert_eq!(counts(&ana, "", file + &"🦀".repeat(256) + "\n").await, [5, 0, 0, 1]);
        let mut stored: Vec<String> = door.bench.column("SELECT name FROM clients").await;
        let mut expected = names.map(str::to_owned);
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected);
    })
    .await;
}

#[tokio::test]
async fn a_file_with_nothing_but_its_head_creates_nothing() {
    Door::run(async |door| {
        let import = send(&door.ana(), "", "name,email\n").await.expect(StatusCode::OK);
        assert_eq!((of(&import), import["id"].is_string()), ([0, 0, 0, 0], true));
        assert_eq!(written(door).await, 1, "the import itself");
    })
    .await;
}
