//! Projects and access keys.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;
use transom_testkit::program::{Answer, Program};

use crate::{failing, lab};

fn as_key(program: &Program, key: &Value, words: &str) -> Answer {
    let proof =
        format!("{}:{}", key["id"].as_str().expect("an id"), key["secret"].as_str().expect("a secret"));
    Answer::of(program.command().args(words.split_whitespace()).env("TRANSOM_TOKEN", proof), "")
}

#[test]
fn projects_are_made_once_and_listed() {
    let program = lab();
    assert_json_snapshot!(program.ask_json("project list"), { "[].id" => "ID", "[].created_at" => "TIME" }, @r#"
    [
      {
        "created_at": "TIME",
        "id": "ID",
        "name": "lab"
      }
    ]
    "#);
    assert_snapshot!(failing(&program, "project add lab"), @r"
    transom: a project of this name exists
    exit 1
    ");
    let id = program.ask("project add office");
    assert_eq!(program.ask_json(&format!("instance list --project {id}")), serde_json::json!([]));
}

#[test]
fn a_key_lives_through_rotation_until_it_is_revoked() {
    let program = lab();
    let first = program.ask_json("key add --project lab --name portal --role admin");
    assert_json_snapshot!(first, { ".id" => "ID", ".secret" => "SECRET", ".project" => "ID" }, @r#"
    {
      "id": "ID",
      "project": "ID",
      "secret": "SECRET"
    }
    "#);
    let id = first["id"].as_str().expect("an id");
    assert_eq!(as_key(&program, &first, "instance list --project lab").code, 0);

    let second = program.ask_json(&format!("key rotate {id}"));
    assert_eq!(second["id"], first["id"]);
    assert_snapshot!(failing(&program, &format!("key rotate {id}")), @r"
    transom: the access key has two secrets: retire the older one first
    exit 1
    ");
    for key in [&first, &second] {
        assert_eq!(as_key(&program, key, "instance list --project lab").code, 0);
    }
    program.ask(&format!("key retire {id}"));
    assert_eq!(as_key(&program, &first, "instance list --project lab").code, 1);
    assert_eq!(as_key(&program, &second, "instance list --project lab").code, 0);
    assert_snapshot!(failing(&program, &format!("key retire {id}")), @r"
    transom: the access key has no older secret
    exit 1
    ");

    program.ask(&format!("key revoke {id}"));
    assert_snapshot!(failing(&program, &format!("key token {id}")), @r"
    transom: the access key is revoked
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("key rotate {id}")), @r"
    transom: the access key is revoked
    exit 1
    ");
    assert_eq!(as_key(&program, &second, "instance list --project lab").code, 1);
    let redactions = insta::dynamic_redaction(|value, _| if value.is_nil() { value } else { "TIME".into() });
    assert_json_snapshot!(
        program.ask_json("key list --project lab"),
        { "[].id" => "ID", "[].project" => "ID", "[].created_at" => "TIME", "[].revoked_at" => redactions },
        @r#"
    [
      {
        "active_secrets": 0,
        "created_at": "TIME",
        "id": "ID",
        "name": "portal",
        "project": "ID",
        "revoked_at": "TIME",
        "role": "admin"
      }
    ]
    "#
    );
}

#[test]
fn a_key_does_what_its_role_may_and_sees_its_own_project_only() {
    let program = lab();
    program.ask("project add office");
    program.ask("instance add desk --project office --endpoint vnc://127.0.0.1:5901");
    let reader = program.ask_json("key add --project lab --role reader");
    let foreign = as_key(&program, &reader, "instance show desk --project office");
    assert!(foreign.stderr.starts_with("transom: project not found"), "{foreign:?}");
    let adding = as_key(&program, &reader, "instance add vm --project lab --endpoint vnc://127.0.0.1");
    assert_snapshot!(crate::complaint(&program, &adding), @r"
    transom: this needs the role admin
    exit 1
    ");
}
