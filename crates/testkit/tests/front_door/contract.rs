//! `/openapi.json` as a contract: schemathesis makes valid and invalid calls from it and checks
//! every answer against it.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use transom_testkit::api::config;
use transom_testkit::{Instance, Key, Script, TestServer};

/// The number of random calls per operation, in addition to the calls that cover the document's
/// corners.
const CALLS: &str = "4";
/// The time limit in seconds, generous for a busy machine. Schemathesis makes a fixed number of
/// calls, however long they take.
const PATIENCE: &str = "220";
/// The time in seconds for the links of each family. A number of calls cannot be set: schemathesis
/// begins again when an answer differs from an earlier one.
const CHAINS: &str = "110";
/// The families of operations, by their tags. Links stay within one, and schemathesis follows each
/// link more often among fewer operations.
const FAMILIES: [&[&str]; 2] = [&["projects", "instances", "consoles"], &["addresses", "keys"]];
/// A fixed seed, so that every run makes the same calls.
const SEED: &str = "20261130";

/// The caller.
pub(crate) enum Caller {
    Operator,
    Member,
}

/// A server with the objects that the document's examples name, and a caller.
pub(crate) struct Contract {
    server: TestServer,
    _machine: Instance,
    key: String,
    login: [String; 2],
    folder: tempfile::TempDir,
}

impl Contract {
    pub(crate) async fn of(caller: Caller) -> Self {
        let repeater = config("[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"").repeater;
        let server = TestServer::setup().config(|own| own.repeater = repeater).start_bare().await;
        let api = server.api();
        api.add_project("lab").await;
        let machine = Instance::start(Script::default()).await;
        api.add_instance("lab", json!({ "id": "web-1", "endpoint": machine.endpoint() })).await;
        let Key { id: key, secret } = api.add_key("lab", "member").await;
        let login = match caller {
            Caller::Operator => {
                ["--header".to_owned(), format!("Authorization: Bearer {}", server.server().admin().token)]
            }
            Caller::Member => ["--auth".to_owned(), format!("{key}:{secret}")],
        };
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap();
        std::fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { server, _machine: machine, key, login, folder }
    }

    /// Checks every operation against the document.
    async fn hold(self) {
        let phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", CALLS];
        let told = self.run("contract.toml", &phases).await;
        // Ensures that every operation was tested.
        assert!(told.contains("Tested: 41"), "{told}");
    }

    /// Follows the document's links, and checks that it followed at least this many. A run that
    /// follows none would find nothing wrong either.
    pub(crate) async fn follow(self, least: usize) {
        let (mut followed, mut said) = (0, String::new());
        for tags in FAMILIES {
            let tags = tags.iter().flat_map(|tag| ["--include-tag", tag]);
            let phases: Vec<_> =
                ["--phases", "stateful", "--max-time", CHAINS].into_iter().chain(tags).collect();
            let told = self.run("links.toml", &phases).await;
            let links = told.lines().find_map(|line| line.trim().strip_prefix("API Links:")).expect(&told);
            followed += links.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap();
            said += &told;
        }
        assert!(followed >= least, "{followed} links: {said}");
    }

    /// Runs schemathesis with this configuration. Returns its output if it finds no fault.
    async fn run(&self, configuration: &str, phases: &[&str]) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE]).arg(root.join("target/clients/schemathesis/bin/st"));
        command.arg("--config-file").arg(root.join("tests/clients").join(configuration));
        command.args(["run", &format!("{}/openapi.json", self.server.server().url())]).args(phases);
        command.args(["--seed", SEED, "--request-timeout", "20", "--no-color", "--warnings", "off"]);
        command.args(&self.login).env("CONTRACT_ACCESS_KEY", &self.key);
        command.env("CONTRACT_CERTIFICATE", at("certificate.pem")).env("CONTRACT_KEY", at("key.pem"));
        command.env("SCHEMATHESIS_HOOKS", "contract").env("PYTHONPATH", root.join("tests/clients"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
        command.current_dir(self.folder.path());
        let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let ended = ended.expect("timeout, of coreutils");
        let told =
            [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(ended.status.success(), "{}: run `make test`, which installs it\n{told}", ended.status);
        told
    }
}

/// `TRANSOM_UPDATE=1` writes the file.
#[tokio::test]
async fn the_checked_in_document_is_the_one_that_is_served() {
    let server = TestServer::start().await;
    let served = server.api().anonymous().get("/openapi.json").await.text;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("TRANSOM_UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    let how =
        "TRANSOM_UPDATE=1 cargo nextest run -p transom-testkit --test front_door contract::the_checked_in";
    assert!(checked_in == served, "the API changed: {how}");
    assert!(checked_in.contains("\"openapi\": \"3.1."));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true_for_the_operator() {
    Contract::of(Caller::Operator).await.hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true_for_a_member() {
    Contract::of(Caller::Member).await.hold().await;
}
