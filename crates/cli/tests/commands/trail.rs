//! Console URLs, and the records that they leave: grants, sessions, audit.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;

use crate::{failing, lab, transom};

/// Returns a project with an instance at an address without a listener.
fn vm() -> Program {
    let program = lab();
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    program
}

#[test]
fn a_console_url_stands_alone_on_stdout() {
    let program = vm();
    let answer = program.run("console vm --project lab --ttl 10m --view-only");
    let url = answer.stdout.strip_suffix('\n').expect("one line");
    assert!(url.starts_with(&format!("http://{}/console#token=", program.address())), "{answer:?}");
    assert!(answer.stderr.starts_with("opens until 20"), "{answer:?}");
    let base = program.address().to_owned();
    for (kind, form) in [
        ("page", format!("http://{base}/console#token=")),
        ("websocket", format!("ws://{base}/websockify?token=")),
        ("xvpvnc", format!("http://{base}/console?token=")),
    ] {
        let issued = program.ask_json(&format!("console vm --project lab --kind {kind}"));
        assert!(issued["url"].as_str().is_some_and(|url| url.starts_with(&form)), "{issued}");
    }
    let answer = program.run("console vm --project lab --ends-after 90m");
    assert!(answer.stderr.contains(", and its sessions end at 20"), "{answer:?}");
    let ending = program.ask_json("console vm --project lab --ttl 2h --ends-after 90m");
    assert_eq!(ending["ends_at"], ending["expires_at"], "{ending}");
    let answer = program.run("console vm --project lab --open");
    assert_eq!(answer.code, 0);
    assert!(answer.stderr.ends_with("No browser was found. Copy the URL.\n"), "{answer:?}");
}

#[test]
fn a_console_that_cannot_be_granted_is_refused_with_its_reason() {
    let program = vm();
    assert_snapshot!(failing(&program, "console other --project lab"), @r"
    transom: instance not found
             To list them: transom instance list --project P
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm --project lab --ttl 0s"), @r"
    transom: --ttl: must be more than 0 and at most 7 days
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm --project lab --ttl 30d"), @r"
    transom: --ttl: must be more than 0 and at most 7 days
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm --project lab --ends-after 31d"), @r"
    transom: --ends-after: must be more than 0 and at most 30 days
    exit 1
    ");
    program.ask("instance set vm --project lab --status stopped");
    let answer = program.run("console vm --project lab --json");
    assert_eq!(answer.code, 1);
    let failure: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_json_snapshot!(failure, { ".error.request_id" => "REQUEST" }, @r#"
    {
      "error": {
        "close_code": 4420,
        "code": "instance-not-running",
        "message": "The machine is not running. (it is stopped)",
        "next_step": "Start the machine, then open the console again.",
        "request_id": "REQUEST",
        "side": "instance"
      }
    }
    "#);
}

#[test]
fn a_grant_is_listed_until_it_is_revoked() {
    let program = vm();
    assert_snapshot!(program.run("link list").stderr, @"No link can open a session or has one open. To list all links: transom link list --all");
    let issued = program.ask_json("console vm --project lab --uses 3");
    let redactions = insta::dynamic_redaction(|value, _| if value.is_nil() { value } else { "TIME".into() });
    assert_json_snapshot!(
        program.ask_json("link list"),
        { "[].id" => "ID", "[].project" => "ID", "[].request_id" => "REQUEST", "[].created_at" => "TIME", "[].expires_at" => "TIME", "[].revoked_at" => redactions },
        @r#"
    [
      {
        "created_at": "TIME",
        "dialect": "api",
        "ends_at": null,
        "expires_at": "TIME",
        "id": "ID",
        "instance": "vm",
        "key": null,
        "kind": "page",
        "open_sessions": 0,
        "project": "ID",
        "refusal": null,
        "request_id": "REQUEST",
        "revoked_at": null,
        "rights": {
          "clipboard": true,
          "view_only": false
        },
        "uses": 3,
        "uses_left": 3
      }
    ]
    "#
    );
    let id = issued["link"].as_str().expect("an id");
    program.ask(&format!("link revoke {id}"));
    assert_eq!(program.ask_json("link list"), serde_json::json!([]));
    assert_eq!(program.ask_json("link list --all").as_array().map(Vec::len), Some(1));
    assert_snapshot!(failing(&program, "link revoke 00000000-0000-7000-8000-000000000000"), @r"
    transom: link not found
             To list them: transom link list --all
    exit 1
    ");
}

#[test]
fn a_leaked_link_is_shown_and_revoked_by_its_url() {
    let program = vm();
    let url = program.run("console vm --project lab --uses 0").stdout;
    let (_, token) = url.trim().split_once("#token=").expect("a token");
    let shown = program.ask(&format!("link show {}", url.trim()));
    assert!(shown.contains("created   20") && shown.contains("by operator (api)"), "{shown}");
    assert!(!shown.contains("revoked"), "{shown}");
    let answer = program.run_with("link revoke - --json", &url);
    assert_eq!(answer.code, 0, "{answer:?}");
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert!(report["link"]["revoked_at"].is_string(), "{report}");
    assert!(!answer.stdout.contains(token), "{answer:?}");
    let again = program.ask(&format!("link revoke {token}"));
    assert!(again.contains("revoked   20"), "{again}");
    assert_snapshot!(failing(&program, "link revoke https://console.example.com/console#token=mVJmZ0c1Xy7RkS2bLd"), @r"
    transom: link of this token not found
             It was mistyped or cut off, another server created it, or it is older than [retention] links.
    exit 1
    ");
    assert_snapshot!(failing(&program, "link show https://console.example.com/console"), @r"
    transom: this is neither a console URL with a token, nor a token, nor a link's id
             Copy the whole URL, up to its last character, or see transom link list --all.
    exit 1
    ");
}

/// Opens the link with a raw viewer from this address; the machine does not answer.
fn looked_at(program: &Program, link: &str, from: [u8; 4], agent: &str) {
    let (_, token) = link.split_once("#token=").expect("a token");
    let hello =
        format!("CONNECT /console?token={token} HTTP/1.0\r\nUser-Agent: {agent}\r\n\r\nRFB 003.008\n");
    let server = program.address().parse().expect("an address");
    let looking = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut viewer = socket.connect(server).await?;
        viewer.write_all(hello.as_bytes()).await?;
        let mut told = Vec::new();
        viewer.read_to_end(&mut told).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&told).into_owned())
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let told = runtime.block_on(async { tokio::time::timeout(PATIENCE, looking).await });
    let told = told.expect("in time").expect("the server answers");
    assert!(told.contains("RFB 003.008") && told.contains("refuses"), "{told}");
}

#[test]
fn a_leaked_link_tells_from_where_and_by_which_program_it_was_used() {
    let program = vm();
    let url = program.run("console vm --project lab --uses 0").stdout;
    let url = url.trim();
    looked_at(&program, url, [127, 0, 0, 5], "First/1");
    looked_at(&program, url, [127, 0, 0, 6], "Second/2 (\u{202e}of somebody)");
    for command in ["link show", "link revoke"] {
        let report = program.ask(&format!("{command} {url}"));
        let uses: Vec<_> = report.lines().skip_while(|line| !line.starts_with("SESSION")).collect();
        assert_eq!(uses.len(), 3, "{report}");
        assert!(uses[0].ends_with("  FROM       PROGRAM"), "{report}");
        assert!(uses[1].ends_with("  127.0.0.6  Second/2 (of somebody)"), "{report}");
        assert!(uses[2].ends_with("  127.0.0.5  First/1"), "{report}");
        let report = program.ask_json(&format!("{command} {url}"));
        assert_eq!(report["uses"][1]["origins"], json!([{ "source": "127.0.0.5", "user_agent": "First/1" }]));
    }
    // The source address of a use finds all other requests from there.
    let found = program.ask("audit --source 127.0.0.6");
    assert!(found.lines().all(|line| line.chars().count() <= 120), "{found}");
    assert_eq!(found.lines().filter(|line| !line.starts_with("    ")).count(), 1, "{found}");
    assert!(found.contains(" session.fail vm instance-refused-connection by viewer "), "{found}");
    assert!(found.contains(" source=127.0.0.6"), "{found}");
    assert!(found.ends_with(" user_agent=Second/2 (of somebody)"), "{found}");
    let found = program.ask_json("audit --source ::ffff:127.0.0.5");
    assert_eq!((&found[0]["source"], &found[0]["user_agent"]), (&json!("127.0.0.5"), &json!("First/1")));
    assert_eq!(program.ask_json("audit --source 192.0.2.1"), json!([]));
    assert_snapshot!(failing(&program, "audit --source 127.0.0.0/8"), @r"
    error: invalid value '127.0.0.0/8' for '--source <ADDRESS>': invalid IP address syntax

    For more information, try '--help'.
    exit 1
    ");
}

#[test]
fn nobody_looking_is_said_to_people_and_an_empty_list_to_programs() {
    let program = vm();
    let answer = program.run("session list");
    assert_eq!(
        (answer.code, answer.stdout.as_str(), answer.stderr.as_str()),
        (0, "", "There are no open sessions.\n")
    );
    assert_eq!(program.ask("session list --json"), "[]");
    assert_snapshot!(failing(&program, "session end 00000000-0000-7000-8000-000000000000"), @r"
    transom: session not found
             To list them: transom session list
    exit 1
    ");
}

#[test]
fn a_log_in_json_has_the_grants_trail_in_fields() {
    let mut program = transom().environment("TRANSOM_LOG_FORMAT", "json").serving();
    program.ask("project add lab");
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    let issued = program.ask_json("console vm --project lab");
    // Messages for people stand between the events.
    let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let of_the_grant =
        |log: &str| log.lines().filter_map(event).find(|event| event["link"] == issued["link"]);
    let granted =
        program.server().stderr().find(PATIENCE, of_the_grant).expect("an event with the grant's id");
    assert_eq!((&granted["message"], &granted["instance"]), (&"link created".into(), &"vm".into()));
    let trail = program.ask_json(&format!("audit --link {}", issued["link"].as_str().expect("an id")));
    assert_eq!(granted["request"], trail[0]["request_id"]);
}

#[test]
fn the_audit_finds_everything_by_a_grant_and_follows_what_happens() {
    let program = vm();
    let issued = program.ask_json("console vm --project lab");
    let id = issued["link"].as_str().expect("an id");
    assert_json_snapshot!(
        program.ask_json(&format!("audit --link {id}")),
        { "[].seq" => 0, "[].at" => "TIME", "[].request_id" => "REQUEST", "[].project" => "ID", "[].link" => "ID", "[].user_agent" => "PROGRAM" },
        @r#"
    [
      {
        "action": "link.create",
        "actor": "operator",
        "at": "TIME",
        "detail": "kind page, full control, uses 1, opens for 60 s",
        "dialect": "api",
        "link": "ID",
        "outcome": "ok",
        "project": "ID",
        "request_id": "REQUEST",
        "seq": 0,
        "session": null,
        "source": "127.0.0.1",
        "target": "vm",
        "user_agent": "PROGRAM"
      }
    ]
    "#
    );
    let mut command = program.command();
    let follow =
        Process::start("transom audit", command.args(["audit", "--follow", "--json", "--limit", "1"]));
    follow.stdout().expect("link.create", PATIENCE);
    program.ask(&format!("link revoke {id}"));
    follow.stdout().expect("link.revoke", PATIENCE);
    for line in follow.stdout().text().lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("one JSON object per line");
        assert_eq!(record["outcome"], "ok", "{record}");
    }
    assert_snapshot!(failing(&program, "audit --project nowhere"), @r"
    transom: project not found
             To list them: transom project list
    exit 1
    ");
}

#[test]
fn the_audit_tells_what_a_link_may_and_how_often() {
    let program = vm();
    for (words, detail) in [
        ("--view-only --uses 0 --ttl 10m", "kind page, view only, uses unlimited, opens for 600 s"),
        ("--uses 3 --ends-after 1h", "kind page, full control, uses 3, opens for 60 s, ends after 3600 s"),
    ] {
        let issued = program.ask_json(&format!("console vm --project lab {words}"));
        let trail = program.ask_json(&format!("audit --link {}", issued["link"].as_str().expect("an id")));
        assert_eq!(trail[0]["detail"], detail);
    }
}

#[test]
fn a_request_that_only_the_log_has_is_told_so_and_a_mistyped_id_is_told_as_such() {
    let program = vm();
    let refused = program.run("link show mVJmZ0c1Xy7RkS2bLdmVJmZ0c1Xy7RkS2bLd --json");
    let refused: serde_json::Value = serde_json::from_str(&refused.stdout).expect("one JSON document");
    let id = refused["error"]["request_id"].as_str().expect("an id");
    for word in [id, &id[id.len() - 8..]] {
        let answer = program.run(&format!("audit --request {word}"));
        let said = format!("There is no audit entry. Search the server's log for {word}\n");
        assert_eq!((answer.code, answer.stderr), (0, said));
    }
    for word in [&id[1..], &id[..id.len() - 1], "4b5c6d7", "4b5c6d7x"] {
        let said = failing(&program, &format!("audit --request {word}"));
        let why = "request id must be req- or T and a UUID, or the last eight characters of one (0-9 a-f)";
        assert!(
            said.starts_with(&format!("error: invalid value '{word}' for '--request <ID>': {why}")),
            "{said}"
        );
    }
}
