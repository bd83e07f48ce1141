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
    transom: a project with this name already exists
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

#[test]
fn a_member_ends_every_link_of_its_project_whoever_made_it_and_says_so_in_its_help() {
    let program = lab();
    program.ask("project add office");
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    let link = program.ask_json("console vm --project lab");
    let link = link["link"].as_str().expect("an id");
    let revoke = format!("link revoke {link}");
    for (role, project, outcome) in [
        ("reader", "lab", "transom: this needs the role member"),
        ("admin", "office", "transom: link not found"),
    ] {
        let key = program.ask_json(&format!("key add --project {project} --role {role}"));
        let refused = as_key(&program, &key, &revoke);
        assert!(refused.stderr.starts_with(outcome), "{refused:?}");
    }
    let member = program.ask_json("key add --project lab --role member");
    let answer = as_key(&program, &member, &revoke);
    assert!(answer.code == 0 && answer.stdout.contains("by operator"), "{answer:?}");
    assert_eq!(program.ask_json("link list"), serde_json::json!([]));
    assert!(program.ask("link revoke --help").contains("role member"));
}

#[test]
fn tokens_are_listed_by_id_until_they_are_revoked_with_what_was_made_with_them() {
    let program = lab();
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    let key = program.ask_json("key add --project lab");
    let other = program.ask_json("key add --project lab");
    let id = key["id"].as_str().expect("an id");
    assert_snapshot!(program.run("token list").stderr, @"There are no valid tokens. To create one: transom key token ID");
    let made = program.ask_json(&format!("key token {id} --ttl 10m"));
    let leaked = program.ask(&format!("key token {id}"));
    program.ask(&format!("key token {}", other["id"].as_str().expect("an id")));
    let token = made["token"].as_str().expect("a token");
    let with = |token: &str, words: &str| {
        Answer::of(program.command().args(words.split_whitespace()).env("TRANSOM_TOKEN", token), "")
    };
    assert_eq!(with(token, "console vm --project lab --ttl 5m").code, 0);

    let listed = program.ask_json(&format!("token list --key {id}"));
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(program.ask_json("token list").as_array().map(Vec::len), Some(3));
    let text = listed.to_string();
    assert!(!text.contains(token) && !text.contains(&leaked), "{text}");
    let ours =
        listed.as_array().expect("a list").iter().find(|one| one["id"] == made["id"]).expect("it is listed");
    assert_eq!((&ours["key"], &ours["expires_at"]), (&key["id"], &made["expires_at"]));
    let used = || {
        program
            .ask_json("token list")
            .as_array()
            .expect("a list")
            .iter()
            .any(|one| one["last_used_at"].is_string())
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(transom_testkit::wait::until("its use is written down", used));
    // A key sees and revokes its own tokens only.
    assert!(as_key(&program, &other, &format!("token list --key {id}")).stderr.contains("role admin"));
    assert!(as_key(&program, &other, "token list").stdout.lines().count() == 2);
    let id_of = made["id"].as_str().expect("an id");
    assert!(as_key(&program, &other, &format!("token revoke {id_of}")).stderr.contains("role admin"));

    let revoked = program.run(&format!("token revoke {id_of}"));
    assert_eq!(revoked.stderr, format!("revoked token {id_of}: 1 link and no session ended\n"));
    assert_eq!(with(token, "instance list --project lab").code, 1);
    assert_eq!(program.ask_json("link list"), serde_json::json!([]));
    assert_snapshot!(failing(&program, &format!("token revoke {id_of}")), @r"
    transom: token not found
             To list them: transom token list
    exit 1
    ");
    // The command derives the id of a leaked token from the token, and does not send the token.
    let found = program.run_with("token revoke - --json", &leaked);
    assert_eq!((found.code, found.stdout.contains(&leaked)), (0, false), "{found:?}");
    assert_eq!(with(&leaked, "instance list --project lab").code, 1);
    assert_eq!(program.ask_json("token list").as_array().map(Vec::len), Some(1));
    assert_snapshot!(failing(&program, "token revoke it"), @r"
    error: invalid value 'it' for '<ID>': token id must be 32 hexadecimal digits

    For more information, try '--help'.
    exit 1
    ");
}
