//! `transom instance import`

use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;
use transom_testkit::program::{Answer, Program};

use crate::{complaint, lab, without_request};

const CSV: &str = "\
id,endpoint,name,status,password
desk-1,vnc://192.0.2.1:5901,Front desk,running,secret
desk-2,vnc://192.0.2.2,,stopped,
";

fn import(program: &Program, name: &str, content: &str, options: &str) -> Answer {
    let file = program.file(name, content);
    let mut answer = program.run(&format!("instance import {file} --project lab {options}"));
    answer.stderr = without_request(&answer.stderr).replace(&file, name);
    answer
}

/// Imports without options, and returns the summary.
fn imported(program: &Program, name: &str, content: &str) -> String {
    let answer = import(program, name, content, "");
    assert_eq!((answer.code, &*answer.stdout), (0, ""), "{answer:?}");
    answer.stderr
}

/// Fails to import, and returns the errors.
fn refused(program: &Program, name: &str, content: &str) -> String {
    complaint(program, &import(program, name, content, ""))
}

fn instances(program: &Program) -> Value {
    program.ask_json("instance list --project lab")
}

fn ids(program: &Program) -> Vec<String> {
    let instances = instances(program);
    let ids = instances.as_array().expect("a list").iter().map(|instance| instance["id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

fn records(program: &Program) -> Vec<String> {
    let records = program.ask_json("audit --project lab --limit 1000");
    let records = records.as_array().expect("a list").iter();
    let told = records.map(|record| {
        ["action", "target"].map(|member| record[member].as_str().expect("a text").to_owned()).join(" ")
    });
    told.filter(|told| told.starts_with("instance.")).collect()
}

#[test]
fn a_repeated_import_changes_nothing() {
    let program = lab();
    let rows = (1..=300).map(|n| format!("vm-{n},vnc://192.0.2.1:{},pw{n}\n", 5900 + n)).collect::<String>();
    let list = format!("id,endpoint,password\n{rows}");
    assert_eq!(imported(&program, "list.csv", &list), "300 added\n");
    let (before, written) = (instances(&program), records(&program));
    assert_eq!(imported(&program, "list.csv", &list), "300 unchanged\n");
    assert_eq!((instances(&program), records(&program)), (before.clone(), written.clone()));

    let list = list.replace("5907,pw7", "5907,new") + "vm-301,vnc://192.0.2.1,\n";
    let planned = import(&program, "list.csv", &list, "--dry-run");
    assert_eq!((planned.code, &*planned.stdout), (0, "add vm-301\nchange vm-7: password\n"), "{planned:?}");
    assert_snapshot!(planned.stderr, @"The import would report: 1 added, 1 changed, 299 unchanged. Nothing was changed.");
    assert_eq!((instances(&program), records(&program)), (before, written.clone()));
    assert_eq!(imported(&program, "list.csv", &list), "1 added, 1 changed, 299 unchanged\n");
    assert_eq!(records(&program)[written.len()..], ["instance.create vm-301", "instance.change vm-7"]);
    let json = import(&program, "list.csv", &list, "--json");
    let effect: Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!((json.stderr.as_str(), &effect["counts"]["unchanged"]), ("", &Value::from(301)), "{json:?}");
}

#[test]
fn a_wrong_row_is_named_by_line_and_column_and_nothing_is_changed() {
    let program = lab();
    let rows = (1..300).map(|n| format!("vm-{n},vnc://192.0.2.1\n")).collect::<String>();
    let list = format!("id,endpoint\n{rows}vm-300,telnet://192.0.2.1\n");
    assert_snapshot!(refused(&program, "list.csv", &list), @r"
    transom: list.csv: line 301, column 2: endpoint: an endpoint is vnc://host:port, ws://host:port/path, wss://host:port/path, vnc+unix:/path or cloud:ADDRESS
    transom: 1 of 300 instances cannot be imported, so nothing was changed
    exit 1
    ");
    let list = r#"[
  { "id": "vm-1", "endpoint": "vnc+unix:/run/vm-1.sock" },
  { "id": "vm-2", "endpoint": "vnc://192.0.2.2", "colour": "red", "name": "é",
    "password": 4711 },
  { "endpoint": "vnc://192.0.2.2" }
]"#;
    assert_snapshot!(refused(&program, "list.json", list), @r"
    transom: list.json: line 3, column 60: colour: unknown field `colour`, expected one of `id`, `name`, `endpoint`, `status`, `username`, `password`, `ca`, `certificate`, `key`, `fingerprint`, `headers`, `for_ticket_holder`
    transom: list.json: line 5, column 3: id: is missing
    transom: 2 of 3 instances cannot be imported, so nothing was changed
    exit 1
    ");
    let json = import(&program, "list.json", list, "--json");
    let error: Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!((json.code, &error["error"]["rows"][1]["row"]), (1, &Value::from(3)), "{json:?}");
    assert_eq!(ids(&program), [""; 0]);
}

#[test]
fn csv_is_read_as_spreadsheets_write_it() {
    let program = lab();
    assert_eq!(imported(&program, "list.csv", CSV), "2 added\n");
    let windows = "\u{feff}".to_owned() + &CSV.replace('\n', "\r\n");
    assert_eq!(imported(&program, "list.csv", &windows), "2 unchanged\n");
    for (separator, told) in [
        (";", "list.csv: semicolons separate the columns.\n"),
        ("\t", "list.csv: tabs separate the columns.\n"),
    ] {
        assert_eq!(
            imported(&program, "list.csv", &CSV.replace(',', separator)),
            format!("{told}2 unchanged\n")
        );
    }
    let spreadsheet = "ID , Endpoint,Name,,\r\ndesk-1,vnc://192.0.2.1:5901,\"Desk, front\",,\r\n,,,,\r\n";
    assert_eq!(imported(&program, "list.csv", spreadsheet), "1 changed\n");
    assert_eq!(program.ask_json("instance show desk-1 --project lab")["name"], "Desk, front");
    let input = program.run_with("instance import - --project lab", CSV);
    assert_eq!((input.code, &*input.stderr), (0, "1 changed, 1 unchanged\n"), "{input:?}");
    let pem = "id,endpoint,headers\nws,ws://192.0.2.1:80,\"X-A: 1\nX-B: 2\"\nvm,vnc://192.0.2.1,\n";
    assert_eq!(imported(&program, "list.csv", pem), "2 added\n");
    assert_eq!(imported(&program, "list.csv", pem), "2 unchanged\n");
}

#[test]
fn json_is_read_as_an_array_or_line_by_line() {
    let program = lab();
    let lines = "{ \"id\": \"a\", \"endpoint\": \"vnc://192.0.2.1\" }\n{ \"id\": \"b\", \"endpoint\": \"vnc://192.0.2.2\" }\n";
    let input = program.run_with("instance import - --project lab", &format!("\u{feff}{lines}"));
    assert_eq!((input.code, &*input.stderr), (0, "2 added\n"), "{input:?}");
    let array = format!("[{}]", lines.trim().replace('\n', ",\r\n"));
    assert_eq!(imported(&program, "list.txt", &array), "2 unchanged\n");
    assert_eq!(ids(&program), ["a", "b"]);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_place() {
    let program = lab();
    let told = |name: &str, content: &str| refused(&program, name, content);
    assert_snapshot!(told("list.json", "[\n  { \"id\": \"a\", }\n]"), @r"
    transom: list.json: line 2, column 16: this is not JSON: key must be a string
    transom: list.json has 1 error, so nothing was changed
    exit 1
    ");
    assert_snapshot!(told("list.json", "[1, { \"id\": \"a\",\n \"id\": \"b\" }]"), @r#"
    transom: list.json: line 1, column 2: an instance is an object, such as { "id": "vm-1", "endpoint": "vnc://192.0.2.1" }
    transom: list.json: line 2, column 8: id: is given twice
    transom: list.json has 2 errors, so nothing was changed
    exit 1
    "#);
    assert_snapshot!(told("list.csv", "id,endpoint,colour,id\na,vnc://192.0.2.1,red,b\n"), @r"
    transom: list.csv: line 1, column 3: unknown column colour; the columns are id, endpoint, name, status, username, password, ca, certificate, key, fingerprint, headers, for_ticket_holder
    transom: list.csv: line 1, column 4: the column id is there twice
    transom: list.csv has 2 errors, so nothing was changed
    exit 1
    ");
    assert_snapshot!(told("list.csv", "name,endpoint\na,vnc://192.0.2.1\n"), @r"
    transom: list.csv: line 1, column 1: there is no column id
    transom: list.csv has 1 error, so nothing was changed
    exit 1
    ");
    assert_snapshot!(told("list.csv", "desk-1|vnc://192.0.2.1\n"), @r"
    transom: list.csv: line 1, column 1: the first line must name the columns, which are id, endpoint, name, status, username, password, ca, certificate, key, fingerprint, headers, for_ticket_holder
    transom: list.csv has 1 error, so nothing was changed
    exit 1
    ");
    let rows = "id,endpoint,for_ticket_holder\r\na,vnc://192.0.2.1,true\r\n\r\nb,vnc://192.0.2.1,true,many\r\nc,vnc://192.0.2.1\r\nd,vnc://192.0.2.1,yes\r\na,vnc://192.0.2.1,\r\ne,\"vnc://192.0.2.1,\r\nf,vnc://192.0.2.1,\r\n\",\r\n";
    assert_snapshot!(told("list.csv", rows), @r"
    transom: list.csv: line 4, column 1: the row has 4 cells, and the first line has 3 columns; put a cell that contains the separator in quotation marks
    transom: list.csv: line 5, column 1: the row has 2 cells, and the first line has 3 columns; put a cell that contains the separator in quotation marks
    transom: list.csv: line 6, column 3: for_ticket_holder: must be true or false
    transom: list.csv: line 7, column 1: id: a is on line 2 already
    transom: list.csv: line 8, column 2: endpoint: has several lines; a quotation mark may not be closed
    transom: list.csv has 5 errors, so nothing was changed
    exit 1
    ");
    assert_snapshot!(told("list.csv", "\u{feff}\r\n"), @r"
    transom: list.csv is empty
             CSV begins with a line such as id,endpoint,password; JSON is an array of objects with these members.
    exit 1
    ");
    assert_snapshot!(told("list.csv", "id,endpoint\n"), @r"
    transom: list.csv lists no instances
             CSV begins with a line such as id,endpoint,password; JSON is an array of objects with these members.
    exit 1
    ");
    assert_snapshot!(told("list.yaml", "- id: a\n"), @r"
    transom: list.yaml is YAML, which this command does not read
             Convert it to JSON, for example with yq -o=json.
    exit 1
    ");
    assert_snapshot!(complaint(&program, &program.run("instance import /nowhere.csv --project lab")), @r"
    transom: cannot read /nowhere.csv: No such file or directory (os error 2)
    exit 1
    ");
    assert_eq!(ids(&program), [""; 0]);
}

#[test]
fn a_prune_removes_what_the_file_no_longer_lists_after_a_yes() {
    let program = lab();
    program.ask("instance add by-hand --project lab --endpoint vnc://192.0.2.1");
    let all = format!("{CSV}by-hand,vnc://192.0.2.1,,,\n");
    let less = CSV
        .lines()
        .filter(|line| !line.starts_with("desk-2"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let named = import(&program, "list.csv", &all, "--name rack");
    assert_eq!((named.code, &*named.stderr), (0, "2 added, 1 unchanged\n"), "{named:?}");
    assert!(program.ask("instance show desk-1 --project lab").contains("\nimport    rack\n"));
    assert!(!program.ask("instance show by-hand --project lab").contains("import"));

    let unnamed = import(&program, "list.csv", &less, "--prune");
    assert!(unnamed.code == 1 && unnamed.stderr.contains("--name <N>"), "{unnamed:?}");
    assert_snapshot!(complaint(&program, &import(&program, "list.csv", &less, "--name rack --prune")), @r"
    remove desk-2
    transom: --prune cannot ask without a terminal, so nothing was changed
             To remove these instances without a question, add --yes. To see the changes: --dry-run.
    exit 1
    ");
    let planned = import(&program, "list.csv", &less, "--name rack --prune --dry-run");
    assert_eq!(planned.stdout, "remove desk-2\n", "{planned:?}");
    let file = program.file("less.csv", &less);
    let on_terminal = |answer: &str| {
        let words = format!("instance import {file} --project lab --name rack --prune");
        let mut command = program.command();
        command.args(words.split_whitespace());
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let line = words.map(|word| format!("'{}'", word.display())).collect::<Vec<_>>().join(" ");
        // util-linux's `script` runs a command on a terminal of its own.
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]);
        script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Answer::of(&mut script, answer)
    };
    let no = on_terminal("n\n");
    assert!(no.code == 1 && no.stdout.contains("remove desk-2"), "{no:?}");
    assert!(no.stdout.contains("the answer was not yes, so nothing was changed"), "{no:?}");
    assert_eq!(ids(&program), ["by-hand", "desk-1", "desk-2"]);
    let yes = on_terminal("yes\n");
    assert!(
        yes.code == 0 && yes.stdout.contains("Remove 1 instance and end its consoles? yes or no:"),
        "{yes:?}"
    );
    assert!(
        yes.stdout.contains("1 unchanged, 1 removed") && yes.stdout.contains("importing 1 instances"),
        "{yes:?}"
    );
    assert_eq!(ids(&program), ["by-hand", "desk-1"]);

    let none =
        import(&program, "list.csv", "id,endpoint\nby-hand,vnc://192.0.2.1\n", "--name rack --prune --yes");
    assert_eq!((none.code, &*none.stderr), (0, "removed desk-1\n1 unchanged, 1 removed\n"), "{none:?}");
    assert_eq!(ids(&program), ["by-hand"]);
}

#[test]
fn thousands_of_instances_are_imported_at_once() {
    let program = lab();
    let rows =
        (0..5_000).map(|n| format!("vm-{n},vnc://192.0.2.1:5901,Machine {n},secret\n")).collect::<String>();
    assert_eq!(imported(&program, "list.csv", &format!("id,endpoint,name,password\n{rows}")), "5000 added\n");
    let large = format!("id,endpoint,name\nvm-1,vnc://192.0.2.1,{}\n", "x".repeat(8 << 20));
    assert_snapshot!(refused(&program, "list.csv", &large), @r"
    transom: the body is too large
             An import may have 8 MiB. Split the file, and give each part its own --name.
    exit 1
    ");
}
