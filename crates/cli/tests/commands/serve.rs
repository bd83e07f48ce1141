//! Starting the server, and commands that find it or do not.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;

use insta::assert_snapshot;
use transom_testkit::certificate::Authority;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::{Answer, is_private};

use crate::{complaint, failing, lab, nowhere, transom};

#[test]
fn the_first_start_makes_a_folder_that_only_its_owner_reads() {
    let mut program = transom().serving();
    let admin = std::fs::read_to_string(program.data().join("admin.json")).expect("admin.json");
    let admin: serde_json::Value = serde_json::from_str(&admin).expect("JSON");
    assert_eq!(admin["server"], format!("http://{}", program.address()));
    assert_eq!(admin["ca"], serde_json::Value::Null);
    for file in ["", "admin.json", "master.key", "transom.db"] {
        assert!(is_private(&program.data().join(file)), "{file}");
    }
    assert_eq!(program.terminate(PATIENCE), Some(0));
}

/// systemd's protocol (`sd_notify(3)`), on which `Type=notify` in packaging/transom.service relies.
#[test]
fn a_service_manager_is_told_when_the_server_listens_and_when_it_drains() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("a datagram socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
    let hear = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).expect("the server says how it is");
        String::from_utf8_lossy(&message[..length]).trim_end().to_owned()
    };
    let mut program = transom().environment("NOTIFY_SOCKET", &path).serving();
    let ready = format!("READY=1\nSTATUS=Serving http://{}/", program.address());
    assert_eq!(hear(), ready);
    TcpStream::connect(program.address()).expect("a ready server listens");
    assert_eq!(program.terminate(PATIENCE), Some(0));
    assert_eq!(hear(), "STOPPING=1");
}

#[test]
fn who_listens_to_everybody_is_told_what_is_missing_for_it() {
    let program = transom();
    let mut command = program.command();
    let server = Process::start("transom serve", command.args(["serve", "--listen", "0.0.0.0:0"]));
    server.stderr().expect("Without TLS, Transom serves only this machine. Add --self-signed,", PATIENCE);
    // It serves this machine, as the warning says.
    server.stderr().expect("Transom is running at http://127.0.0.1:", PATIENCE);
    let program = transom();
    let mut command = program.command();
    let serve = ["serve", "--listen", "0.0.0.0:0", "--self-signed"];
    let server = Process::start("transom serve", command.args(serve));
    server.stderr().expect("Console URLs begin with this machine's first address.", PATIENCE);
    server.stderr().expect("Transom is running at https://", PATIENCE);
    let program = transom();
    let mut command = program.command();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--public-url", "https://console.example.com"];
    let server = Process::start("transom serve", command.args(serve));
    server.stderr().expect("Declare the proxy in front of Transom in [http] trusted_proxies", PATIENCE);
}

/// A proxy from the environment would read the operator's token.
#[test]
fn the_token_is_shown_to_no_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    proxy.set_nonblocking(true).expect("it need not wait");
    let address = format!("http://{}", proxy.local_addr().expect("it is bound"));
    let mut program = transom();
    for name in ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        program = program.environment(name, &address);
    }
    let program = program.serving();
    program.ask("project add lab");
    assert_eq!(proxy.accept().expect_err("no client came").kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn commands_find_the_server_wherever_it_was_started_last() {
    let mut program = lab();
    program.terminate(PATIENCE);
    assert_snapshot!(failing(&program, "project list"), @r"
    transom: cannot reach the server at http://ADDRESS: Connection refused (os error 111)
             Is `transom serve` running there?
    exit 1
    ");
    let other = transom().serving();
    program.serve();
    assert_eq!(program.ask_json("project list")[0]["name"], "lab");
    // The operator's token belongs to one server, and is sent to that one only.
    assert_snapshot!(
        failing(&program, &format!("project list --server http://{}", other.address())).replace(other.address(), "OTHER"),
        @r"
    transom: no token is known for http://OTHER
             Set TRANSOM_TOKEN to the operator's token, or to KEY-ID:SECRET of an access key.
    exit 1
    "
    );
}

#[test]
fn who_speaks_tls_to_a_plain_port_is_asked_about_it() {
    let program = lab();
    let mut command = program.command();
    let asked = command.args(["project", "list", "--server", &format!("https://{}", program.address())]);
    let answer = Answer::of(asked.env("TRANSOM_TOKEN", "any"), "");
    assert!(answer.stderr.contains("Is `transom serve` running there, with TLS?"), "{answer:?}");
}

#[test]
fn without_a_server_the_next_step_is_named() {
    assert_snapshot!(failing(&transom(), "project list"), @r"
    transom: no server is known: there is no file DATA/admin.json
             Start one with `transom serve`, or specify one: --data DIR, or --server URL with TRANSOM_TOKEN.
    exit 1
    ");
    let program = transom();
    assert_snapshot!(failing(&program, "project list --server 127.0.0.1:8080"), @r"
    error: invalid value '127.0.0.1:8080' for '--server <URL>': a URL begins with https:// or http://, such as https://console.example.com

    For more information, try '--help'.
    exit 1
    ");
}

#[test]
fn a_wrong_token_is_refused_with_its_reason() {
    let program = lab();
    let with = |token: &str| {
        complaint(
            &program,
            &Answer::of(program.command().args(["project", "list"]).env("TRANSOM_TOKEN", token), ""),
        )
    };
    assert_snapshot!(with("wrong"), @r"
    transom: the token is not valid
             TRANSOM_TOKEN is set and was used. Without it, the command uses the data folder's admin.json.
    exit 1
    ");
    assert_snapshot!(with("takDf5wdnmu3Bi1ArcYg7qEhhNiYd:secret"), @r"
    transom: the access key id is mistyped: its checksum does not match
             TRANSOM_TOKEN is set and was used. Without it, the command uses the data folder's admin.json.
    exit 1
    ");
}

#[test]
fn a_second_server_is_kept_out_of_the_data_folder() {
    let program = lab();
    assert_snapshot!(failing(&program, "serve --listen 127.0.0.1:0"), @r"
    transom: DATA: another server uses this data folder
             Stop that server, or choose another folder: --data DIR.
    exit 1
    ");
    assert_eq!(program.ask_json("project list")[0]["name"], "lab");
}

#[test]
fn what_keeps_the_server_from_starting_is_named() {
    let running = lab();
    let program = transom();
    let config = program.file("transom.toml", "[http]\npublic_ur = \"https://console.example.com\"\n");
    let taken = failing(&program, &format!("serve --listen {}", running.address()));
    assert_snapshot!(taken.replace(running.address(), "TAKEN"), @r"
    transom: cannot listen on TAKEN: Address already in use (os error 98)
             Another program is listening there. Stop it, or choose another address with --listen.
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("serve --config {config}")).replace(&config, "CONFIG"), @r"
    transom: CONFIG: http.public_ur: unknown field `public_ur`, expected one of `public_url`, `trusted_proxies`, `tls`
    exit 1
    ");
    let nowhere = nowhere().display().to_string();
    assert_snapshot!(failing(&program, &format!("serve --listen 127.0.0.1:0 --config {nowhere}")), @r"
    transom: cannot read the configuration /nowhere/at/all: No such file or directory (os error 2)
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("serve --listen 127.0.0.1:0 --tls-cert {nowhere} --tls-key {nowhere}")), @r"
    transom: cannot read /nowhere/at/all: No such file or directory (os error 2)
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --listen 127.0.0.1:0 --database mysql://127.0.0.1/transom"), @r"
    transom: a database URL is postgres://user:password@host:port/name or sqlite:/path/to/file
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --listen 127.0.0.1:0 --database postgresql:transom"), @r"
    transom: a database URL is postgres://user:password@host:port/name or sqlite:/path/to/file
    exit 1
    ");
    // Port 1 has no listener.
    assert_snapshot!(failing(&program, "serve --listen 127.0.0.1:0 --database postgres://u:hunter2@127.0.0.1:1/transom"), @r"
    transom: postgres://u@127.0.0.1:1/transom: the database is unavailable: error communicating with database: Connection refused (os error 111)
             Check that PostgreSQL is running there, that the database exists (createdb transom), and that its user may log in.
    exit 1
    ");
    let authority = Authority::new();
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let (cert, other) = (one.cert.display().to_string(), other.key.display().to_string());
    let mismatched =
        failing(&program, &format!("serve --listen 127.0.0.1:0 --tls-cert {cert} --tls-key {other}"));
    assert_snapshot!(mismatched.replace(&cert, "CERT").replace(&other, "KEY"), @r"
    transom: KEY: is not the key of the certificate in CERT
    exit 1
    ");
    let key = program.file("key", "not a key\n");
    assert_snapshot!(failing(&program, &format!("serve --listen 127.0.0.1:0 --master-key-file {key}")).replace(&key, "KEY"), @r"
    transom: KEY: a master key is 64 hexadecimal digits (openssl rand -hex 32)
    exit 1
    ");
}

#[test]
fn another_master_key_than_the_database_was_sealed_with_is_noticed_at_the_start() {
    let mut program = lab();
    program.terminate(PATIENCE);
    let key = program.file("key", &"5a".repeat(32));
    assert_snapshot!(failing(&program, &format!("serve --listen 127.0.0.1:0 --master-key-file {key}")), @r"
    transom: this database's secrets were encrypted with a different master key
             Copy the database's master key to DATA/master.key, or give its path with --master-key-file. All nodes on one database need the first node's key.
    exit 1
    ");
}

#[test]
fn a_database_without_its_master_key_gets_no_other_one() {
    let mut program = lab();
    program.terminate(PATIENCE);
    let path = program.data().join("master.key");
    let key = std::fs::read(&path).expect("the master key");
    std::fs::remove_file(&path).expect("it can be lost");
    assert_snapshot!(failing(&program, "serve --listen 127.0.0.1:0"), @r"
    transom: DATA/master.key is missing, but this database's secrets were encrypted with a master key
             Copy the database's master key to DATA/master.key, or give its path with --master-key-file. All nodes on one database need the first node's key.
    exit 1
    ");
    assert!(!path.exists(), "another key would only be in the way");
    std::fs::write(&path, key).expect("it can be put back");
    program.serve();
    assert_eq!(program.ask_json("project list")[0]["name"], "lab");
}

#[test]
fn files_of_an_existing_cloud_are_looked_at_when_the_server_starts() {
    let program = transom();
    let with = |text: &str| {
        let cloud =
            "[openstack]\nkeystone_url = \"http://127.0.0.1:1\"\nnova_url = \"http://127.0.0.1:1/v2.1\"\n";
        let config = program.file("transom.toml", &format!("{cloud}{text}"));
        failing(&program, &format!("serve --listen 127.0.0.1:0 --config {config}"))
    };
    let empty = program.file("empty", "\n");
    let admin = "[openstack.admin]\napplication_credential_id = \"id\"\nsecret_file";
    assert_snapshot!(with(&format!("{admin} = \"/nowhere/at/all\"")), @r"
    transom: openstack.admin.secret_file: cannot read /nowhere/at/all: No such file or directory (os error 2)
    exit 1
    ");
    assert_snapshot!(with(&format!("{admin} = {empty:?}")).replace(&empty, "EMPTY"), @r"
    transom: openstack.admin.secret_file: EMPTY is empty
    exit 1
    ");
    assert_snapshot!(with("[openstack.nova_vencrypt]\nca = \"/nowhere/at/all\""), @r"
    transom: openstack.nova_vencrypt.ca: cannot read /nowhere/at/all: No such file or directory (os error 2)
    exit 1
    ");
}
