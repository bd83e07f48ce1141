//! The output of the commands about live sessions, at the node that carries them and at another.

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use transom_testkit::duplex::Route;
use transom_testkit::program::{Answer, Program};
use transom_testkit::{Guest, Instance, Opening, Script, Viewer, wait};

use crate::{lab, transom};

/// A viewer's request for a picture, which a view-only viewer may send as well.
const ASKING: &[u8] = &[3, 0, 0, 0, 0, 0, 0, 1, 0, 1];

/// A server with the machine `vm` in the project `lab`, which answers.
pub(crate) struct Stage {
    pub(crate) program: Program,
    machine: Instance,
    // The fields before it end in the runtime.
    runtime: Runtime,
}

/// A session that has carried [`ASKING`], with the console that opened it.
pub(crate) struct Session {
    pub(crate) made: Value,
    viewer: Viewer,
    _guest: Guest,
}

impl Stage {
    pub(crate) fn set() -> Self {
        Self::on(lab())
    }

    fn on(program: Program) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let machine = runtime.block_on(Instance::start(Script::default()));
        program.ask(&format!("instance add vm --project lab --endpoint {}", machine.endpoint()));
        Self { program, machine, runtime }
    }

    pub(crate) fn session(&self, words: &str) -> Session {
        self.opened(self.program.ask_json(&format!("console vm --project lab {words}")))
    }

    /// Opens the session of an existing console.
    pub(crate) fn opened(&self, made: Value) -> Session {
        let (_, token) = made["url"].as_str().expect("a URL").split_once("#token=").expect("a token");
        let server = self.program.address().parse().expect("an address");
        self.runtime.block_on(async {
            let mut viewer = Opening::new(Route::plain(server)).token(token).view().await;
            let mut guest = self.machine.guest().await;
            viewer.send(ASKING).await.expect("the session is open");
            assert_eq!(guest.take(ASKING.len()).await, ASKING);
            Session { made: made.clone(), viewer, _guest: guest }
        })
    }

    /// Waits until the condition holds.
    pub(crate) fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.runtime.block_on(wait::until(what, holds));
    }

    /// Returns the end of a session as its viewer sees it.
    pub(crate) fn ended(&self, mut session: Session) -> String {
        self.runtime.block_on(session.viewer.closed()).to_string()
    }
}

/// Returns a table's rows, by the names of its columns.
pub(crate) fn table(text: &str) -> Vec<Value> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let names = cells(header);
    lines.map(|line| names.iter().cloned().zip(cells(line).into_iter().map(Value::from)).collect()).collect()
}

#[test]
fn a_link_that_is_used_up_is_listed_while_its_session_is_open() {
    let stage = Stage::set();
    let program = &stage.program;
    program.ask("console vm --project lab --ttl 1h --uses 0");
    let session = stage.session("--view-only --ttl 1h");
    let links = table(&program.ask("link list"));
    assert_eq!(links.len(), 2, "{links:?}");
    let told = |link: &Value| {
        ["ID", "PROJECT", "INSTANCE", "STATE", "RIGHTS", "MADE BY"].map(|name| link[name].clone())
    };
    assert_eq!(
        told(&links[0]),
        [
            &session.made["link"],
            &json!("lab"),
            &json!("vm"),
            &json!("used up, in use"),
            &json!("view only"),
            &json!("operator")
        ]
        .map(Clone::clone)
    );
    assert_eq!((&links[1]["STATE"], &links[1]["RIGHTS"]), (&json!("opens"), &json!("full control")));

    let sessions = table(&program.ask("session list"));
    assert_eq!((&sessions[0]["LINK"], &sessions[0]["MADE BY"]), (&session.made["link"], &json!("operator")));
    program.ask(&format!("session end {}", sessions[0]["ID"].as_str().expect("an id")));
    stage.ended(session);
    let left = || table(&program.ask("link list")).len() == 1;
    stage.until("the session's end", left);
    let all = table(&program.ask("link list --all"));
    assert_eq!(all[0]["STATE"], "used up");
}

#[test]
fn who_made_a_sessions_link_is_told_by_its_key() {
    let stage = Stage::set();
    let key = stage.program.ask_json("key add --project lab");
    let proof =
        format!("{}:{}", key["id"].as_str().expect("an id"), key["secret"].as_str().expect("a secret"));
    let mut command = stage.program.command();
    command.args(["console", "vm", "--project", "lab", "--json"]).env("TRANSOM_TOKEN", proof);
    let answer = Answer::of(&mut command, "");
    let _session = stage.opened(serde_json::from_str(&answer.stdout).expect("a console"));
    for words in ["session list", "link list"] {
        assert_eq!(table(&stage.program.ask(words))[0]["MADE BY"], key["id"], "{words}");
    }
}

#[test]
fn a_live_sessions_bytes_are_told_as_they_are_and_another_node_does_not_say_zero() {
    let url = transom_testkit::postgres::database();
    let node = || {
        let program = transom();
        let database = program.file("database", &url);
        let key = program.file("master.key", &"5e".repeat(32));
        program.with(["--database-file", &database, "--master-key-file", &key]).serving()
    };
    let (near, far) = (node(), node());
    near.ask("project add lab");
    let stage = Stage::on(near);
    let session = stage.session("--ttl 1h");
    let link = session.made["link"].as_str().expect("an id").to_owned();
    let report = stage.program.ask_json(&format!("link show {link}"));
    assert_eq!(report["uses"][0]["session"]["bytes_to_instance"], ASKING.len(), "{report}");
    let shown = |program: &Program| {
        let report = program.ask(&format!("link show {link}"));
        let row = report.lines().last().expect("a session").split_whitespace().collect::<Vec<_>>();
        [row[3].to_owned(), row[4].to_owned()]
    };
    assert_eq!(shown(&stage.program), ["0", "10"]);
    assert_eq!(shown(&far), ["live", "live"]);
    assert_eq!(table(&far.ask("session list"))[0]["BYTES"], "live");
    drop(session);
    let ended = || table(&far.ask("session list --all"))[0]["BYTES"] == "10";
    stage.until("the session's end", ended);
    assert_eq!(shown(&far), ["0", "10"]);
}

/// Returns a command's report for people.
fn said(program: &Program, words: &str) -> String {
    let answer = program.run(words);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, ""), "{words}: {answer:?}");
    answer.stderr.trim_end().to_owned()
}

#[test]
fn what_was_ended_is_told_with_what_ended_with_it() {
    let stage = Stage::set();
    let program = &stage.program;
    let key = program.ask_json("key add --project lab");
    let id = key["id"].as_str().expect("an id");
    let by = |key: &Value, uses: u32| {
        let proof =
            format!("{}:{}", key["id"].as_str().expect("an id"), key["secret"].as_str().expect("a secret"));
        let words = format!("console vm --project lab --ttl 1h --uses {uses} --json");
        let mut command = program.command();
        let answer = Answer::of(command.args(words.split(' ')).env("TRANSOM_TOKEN", proof), "");
        serde_json::from_str::<Value>(&answer.stdout).expect("a console")
    };
    let older = stage.opened(by(&key, 1));
    let newer_secret = program.ask_json(&format!("key rotate {id}"));
    let newer = stage.opened(by(&newer_secret, 1));
    by(&newer_secret, 2);
    assert_eq!(
        said(program, &format!("key retire {id}")),
        format!("retired the older secret of key {id}: 1 link and 1 session ended")
    );
    assert!(stage.ended(older).ends_with("was revoked."));
    let told = program.ask_json(&format!("key revoke {id}"));
    assert_eq!(told, json!({ "id": id, "links": 2, "sessions": 1 }));
    assert!(stage.ended(newer).ends_with("was revoked."));
    assert_eq!(
        said(program, &format!("key revoke {id}")),
        format!("revoked key {id}: no link and no session ended")
    );

    let (killed, removed) = (stage.session("--ttl 1h"), stage.session("--ttl 1h --uses 0"));
    let sessions = program.ask_json("session list");
    let session = sessions.as_array().expect("a list").iter().find(|one| one["link"] == killed.made["link"]);
    let session = session.expect("it is live")["id"].as_str().expect("an id").to_owned();
    let refused = program.run(&format!("session end {session} --reason {}", "x".repeat(201))).stderr;
    assert!(refused.starts_with("transom: --reason: must have at most 200 characters"), "{refused}");
    let was = said(program, &format!("session end {session} --reason left-open"));
    assert_eq!(was, format!("ended session {session}: 127.0.0.1 at vm"));
    let told = stage.ended(killed);
    assert!(!told.contains("left-open"), "the reason is for the audit: {told}");
    let audit = program.ask_json("audit --limit 20");
    let record = audit.as_array().expect("a list").iter().find(|record| record["action"] == "session.kill");
    assert_eq!(record.expect("a record")["detail"], "left-open");
    let over = || program.ask_json(&format!("session end {session}"))["end_reason"].is_string();
    stage.until("the session's end", over);
    assert_eq!(
        said(program, &format!("session end {session}")),
        format!("session {session} had already ended: session-killed")
    );
    assert_eq!(
        said(program, "instance remove vm --project lab"),
        "removed instance vm: 1 link and 1 session ended"
    );
    stage.ended(removed);
}

#[test]
fn what_is_taken_from_devices_is_told() {
    let program = transom();
    let config = program.file("transom.toml", "[repeater]\ndevices = \"127.0.0.1:0\"\n");
    let program = program.with(["--config", &config]).serving();
    program.ask("project add lab");
    let key = program.ask_json("key add --project lab");
    let id = key["id"].as_str().expect("an id");
    let address = program.ask_json(&format!("address add --key {id} --action listen"));
    let address = address["cloudAddress"].as_str().expect("an address");
    program.ask(&format!("repeater ticket {address}"));
    let ticket = said(&program, &format!("repeater revoke {address}"));
    assert_eq!(ticket, format!("revoked the repeater ticket of {address}"));
    let removed = said(&program, &format!("address remove {address}"));
    assert_eq!(removed, format!("removed address {address} and ended its sessions"));
    program.ask(&format!("enrollment add --key {id}"));
    let enrollment = program.ask_json("enrollment list")[0]["id"].as_str().expect("an id").to_owned();
    let revoked = program.ask_json(&format!("enrollment revoke {enrollment}"));
    assert_eq!(revoked, json!({ "id": enrollment }));
}
