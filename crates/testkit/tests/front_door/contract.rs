//! `/openapi.json` as a contract: schemathesis makes calls of it, good ones and bad ones, and holds every answer to it.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use transom_testkit::{Instance, Key, Script, TestServer};

/// So many seconds. Schemathesis makes as many calls as it is told, not as many as there is time: this is for a machine that
/// is busy.
const PATIENCE: &str = "220";
/// The same calls at every run.
const SEED: &str = "20261130";

/// Whose calls they are.
pub(crate) enum Caller {
    Operator,
    Member,
}

/// A server with what the document's examples name, and a caller.
pub(crate) struct Contract {
    server: TestServer,
    machine: Instance,
    login: [String; 2],
    folder: tempfile::TempDir,
}

impl Contract {
    pub(crate) async fn of(caller: Caller) -> Self {
        let server = TestServer::setup().start_bare().await;
        let api = server.api();
        api.add_project("lab").await;
        let machine = Instance::start(Script::default()).await;
        api.add_instance("lab", json!({ "id": "web-1", "endpoint": machine.endpoint() })).await;
        let login = match caller {
            Caller::Operator => {
                ["--header".to_owned(), format!("Authorization: Bearer {}", server.server().admin().token)]
            }
            Caller::Member => {
                let Key { id, secret } = api.add_key("lab", "member").await;
                ["--auth".to_owned(), format!("{id}:{secret}")]
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap();
        std::fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("schemathesis.toml"), "[generation]\ndatabase = \"none\"\n")
            .unwrap();
        Self { server, machine, login, folder }
    }

    /// What schemathesis found in these phases, with so many calls of each operation where it draws them.
    pub(crate) async fn hold(self, phases: &'static str, calls: usize, more: &'static [&'static str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE]).arg(root.join("target/clients/schemathesis/bin/st"));
        command.arg("--config-file").arg(at("schemathesis.toml"));
        command.args(["run", &format!("{}/openapi.json", self.base()), "--phases", phases, "--seed", SEED]);
        command.args(["--max-examples", &calls.to_string(), "--request-timeout", "20", "--no-color"]);
        command.args(["--warnings", "off"]).args(&self.login).args(more);
        command.env("CONTRACT_CERTIFICATE", at("certificate.pem")).env("CONTRACT_KEY", at("key.pem"));
        command.env("SCHEMATHESIS_HOOKS", "contract").env("PYTHONPATH", root.join("tests/clients"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
        command.current_dir(self.folder.path());
        let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let ended = ended.expect("timeout, of coreutils");
        let told =
            [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(ended.status.success(), "{}: run `make test`, which installs it\n{told}", ended.status);
        // Nothing that was left out is taken for held.
        assert!(told.contains("Tested: 37") || !phases.contains("coverage"), "{told}");
        drop(self.machine);
    }

    fn base(&self) -> &str {
        self.server.server().url()
    }
}

/// `TRANSOM_UPDATE=1` writes the file again.
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
