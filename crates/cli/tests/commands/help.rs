//! Help, and the errors for typos.

use insta::assert_snapshot;
use transom_testkit::program::Program;

use crate::{failing, transom};

fn help(program: &Program, words: &str) -> String {
    // Help shows the environment's values, which include the test's data folder.
    let text = program.ask(words).replace(&program.data().display().to_string(), "");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_help_of_the_program_is_its_table_of_contents() {
    assert_snapshot!(help(&transom(), "--help"), @r"
    A self-hosted VNC console service: register machines, get console URLs, open them in a browser

    Usage: transom [OPTIONS] <COMMAND>

    Commands:
      serve       Run the server
      demo        Try Transom: a server in a temporary folder, a test desktop, and a console URL for it
      migrate     Update the database's schema. A server also does this when it starts
      project     Projects: tenants that own access keys and instances
      key         Access keys: a project's credentials for programs
      token       API tokens: temporary credentials that replace an access key
      instance    Instances: machines with a console
      address     Cloud addresses: the identities of devices and of viewers
      enrollment  Enrollments: tokens with which devices get an address or replace another device
      repeater    Repeater tickets: credentials of devices and viewers that use the UltraVNC repeater's protocol
      console     Create a console URL. Prints the URL on stdout and its expiry on stderr
      link        Links: the permissions behind console URLs
      session     Sessions: consoles that are open
      audit       Show the audit: events with their actors and links
      agent       Join as a device, so that viewers outside its network can reach its VNC server
      connect     Connect to a device: opens a local port for a VNC viewer
      help        Print this message or the help of the given subcommand(s)

    Options:
          --server <URL>  The server's URL. Default: the URL in DATA/admin.json, which transom serve writes [env: TRANSOM_SERVER=]
          --data <DIR>    The data folder [env: TRANSOM_DATA=] [default: ./transom-data]
          --json          Print one JSON document on stdout
      -h, --help          Print help
      -V, --version       Print version

    First steps: `transom demo` shows a console; `transom serve` starts a server.
    ");
}

#[test]
fn the_help_of_serve_names_every_setting_of_the_contract() {
    assert_snapshot!(help(&transom(), "serve --help"), @r"
    Run the server

    Usage: transom serve [OPTIONS]

    Options:
          --config <FILE>           Configuration file (TOML). Flags take precedence [env: TRANSOM_CONFIG=]
          --data <DIR>              The data folder [env: TRANSOM_DATA=] [default: ./transom-data]
          --listen <ADDR>           The address to listen on. Addresses other than loopback require TLS or a declared proxy [env: TRANSOM_LISTEN=] [default: 127.0.0.1:8080]
          --public-url <URL>        The public URL of the server, with which console URLs begin, such as https://console.example.com [env: TRANSOM_PUBLIC_URL=]
          --tls-cert <FILE>         PEM file with the certificate chain. Reloaded when it changes
          --tls-key <FILE>          PEM file with the private key
          --self-signed             Serve TLS with a generated certificate. Its CA is in the data folder
          --database <URL>          The database: postgres://USER:PASSWORD@HOST/NAME. Default: SQLite in the data folder [env: TRANSOM_DATABASE]
          --database-file <FILE>    File with the database's URL
          --master-key-file <FILE>  File with the key that encrypts secrets: 64 hexadecimal digits. Default: a generated key in the data folder [env: TRANSOM_MASTER_KEY_FILE=]
      -h, --help                    Print help
      -V, --version                 Print version
    ");
}

#[test]
fn the_help_of_instance_add_tells_what_an_endpoint_is() {
    assert_snapshot!(help(&transom(), "instance add --help"), @r"
    Add an instance

    Usage: transom instance add [OPTIONS] --project <P> --endpoint <E> <ID>

    Arguments:
      <ID>  The instance's id, unique in the project: 1 to 64 of A-Z a-z 0-9 . _ -

    Options:
          --project <P>        The project, by name or id
          --server <URL>       The server's URL. Default: the URL in DATA/admin.json, which transom serve writes [env: TRANSOM_SERVER=]
          --data <DIR>         The data folder [env: TRANSOM_DATA=] [default: ./transom-data]
          --endpoint <E>       Its VNC server: vnc://HOST:PORT, ws[s]://HOST:PORT/PATH, vnc+unix:/PATH, or cloud:ADDRESS for a device
          --json               Print one JSON document on stdout
          --name <N>           A display name
          --status <STATUS>    The machine's status: running stopped starting stopping rebooting building resizing imaging rebuilding recycled releasing failed
          --password-file <F>  File with the VNC password on one line; - reads standard input. VNC authentication uses only the first 8 characters
          --username <U>       The user name for VeNCrypt Plain
          --ca <F>             TLS (VeNCrypt or wss): PEM file with the CA of the VNC server's certificate, or with that certificate. Replaces a fingerprint
          --cert <F>           TLS: PEM file with the certificate chain that the gateway presents
          --key <F>            TLS: PEM file with the key of --cert
          --fingerprint <H>    TLS: SHA-256 of the VNC server's certificate, instead of --ca. Replaces a CA
          --header-file <F>    ws[s]://: file with headers for the gateway's request, such as Authorization, one Name: value in each line; - reads standard input. An empty file removes them
          --for-ticket-holder  Entrust the password and the key also to a device that joins with the cloud address's repeater ticket. Required while there is such a ticket
      -h, --help               Print help
      -V, --version            Print version
    ");
}

#[test]
fn the_help_of_console_tells_what_a_console_url_may_be() {
    assert_snapshot!(help(&transom(), "console --help"), @r"
    Create a console URL. Prints the URL on stdout and its expiry on stderr

    Usage: transom console [OPTIONS] --project <P> <ID>

    Arguments:
      <ID>  The instance's id

    Options:
          --project <P>     The project, by name or id
          --server <URL>    The server's URL. Default: the URL in DATA/admin.json, which transom serve writes [env: TRANSOM_SERVER=]
          --data <DIR>      The data folder [env: TRANSOM_DATA=] [default: ./transom-data]
          --kind <KIND>     The form of the URL: page, websocket or xvpvnc [default: page]
          --json            Print one JSON document on stdout
          --view-only       Ignore the viewer's keys, pointer and clipboard
          --ttl <T>         The time within which the URL must be opened, such as 60s, 10m, 24h
          --uses <N>        The number of times that the URL can be opened; 0: no limit until it expires
          --ends-after <T>  The time after which all sessions of the URL end, such as 1h. --ttl limits only the time within which the URL must be opened
          --open            Open the URL in a browser
      -h, --help            Print help
      -V, --version         Print version
    ");
}

#[test]
fn every_command_of_the_contract_explains_itself() {
    let program = transom();
    for words in [
        "serve",
        "demo",
        "project add",
        "project list",
        "key add",
        "key list",
        "key rotate",
        "key retire",
        "key revoke",
        "token list",
        "token revoke",
        "agent",
        "connect",
        "migrate",
        "instance add",
        "instance set",
        "instance list",
        "instance show",
        "instance test",
        "instance remove",
        "instance import",
        "console",
        "session list",
        "session end",
        "link list",
        "link show",
        "link revoke",
        "audit",
    ] {
        let help = program.ask(&format!("{words} --help"));
        assert!(help.contains(&format!("Usage: transom {words}")), "{help}");
    }
    assert_eq!(program.ask("--version"), format!("transom {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_mistyped_is_named_with_what_was_meant() {
    let program = transom();
    assert_snapshot!(failing(&program, "projct list"), @r"
    error: unrecognized subcommand 'projct'

      tip: a similar subcommand exists: 'project'

    Usage: transom [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm"), @r"
    error: the following required arguments were not provided:
      --project <P>

    Usage: transom console --project <P> <ID>

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm --project lab --kind pag"), @r"
    error: invalid value 'pag' for '--kind <KIND>': kind must be page, websocket or xvpvnc

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "console vm --project lab --ttl soon"), @r#"
    error: invalid value 'soon' for '--ttl <T>': "soon" is not a duration such as 60s, 10m, 12h or 30d

    For more information, try '--help'.
    exit 1
    "#);
    for words in ["--uses -1", "--uses 10001"] {
        let said = failing(&program, &format!("console vm --project lab {words}"));
        let why = "for '--uses <N>': give a number from 1 to 10000, or 0 for no limit until it expires";
        assert!(said.contains(why), "{said}");
    }
    for words in
        ["console vm --project lab --ttl -5m", "key token K --ttl -5m", "enrollment add --key K --ttl -5m"]
    {
        let said = failing(&program, words);
        assert!(said.contains("\"-5m\" is not a duration such as 60s, 10m, 12h or 30d"), "{said}");
    }
    for (words, range) in [("enrollment add --key K --count -1", "1..=500"), ("audit --limit -1", "1..=1000")]
    {
        let said = failing(&program, words);
        assert!(said.contains(&format!("-1 is not in {range}")), "{said}");
    }
    assert_snapshot!(failing(&program, "key add --project lab --role boss"), @r"
    error: invalid value 'boss' for '--role <ROLE>': role must be reader, member or admin

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "instance add vm! --project lab --endpoint vnc://127.0.0.1"), @r"
    error: invalid value 'vm!' for '<ID>': instance id must be 1 to 64 characters of A-Z a-z 0-9 . _ -

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "instance add vm --project lab --endpoint http://127.0.0.1"), @r"
    error: invalid value 'http://127.0.0.1' for '--endpoint <E>': an endpoint is vnc://host:port, ws://host:port/path, wss://host:port/path, vnc+unix:/path or cloud:ADDRESS

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "link revoke it"), @r"
    transom: this is neither a console URL with a token, nor a token, nor a link's id
             Copy the whole URL, up to its last character, or see transom link list --all.
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --listen 8080"), @r"
    error: invalid value '8080' for '--listen <ADDR>': an address is IP:PORT, such as 127.0.0.1:8080, 0.0.0.0:443 or [::]:443

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --public-url console.example.com"), @r"
    error: invalid value 'console.example.com' for '--public-url <URL>': must be like https://console.example.com, without a path

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --public-url https://console.example.com/pre"), @r"
    error: invalid value 'https://console.example.com/pre' for '--public-url <URL>': must be like https://console.example.com, without a path

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "serve --tls-cert cert.pem"), @r"
    error: the following required arguments were not provided:
      --tls-key <FILE>

    Usage: transom serve --tls-cert <FILE> --tls-key <FILE>

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(failing(&program, "audit --limit 5000"), @r"
    error: invalid value '5000' for '--limit <N>': 5000 is not in 1..=1000

    For more information, try '--help'.
    exit 1
    ");
}
