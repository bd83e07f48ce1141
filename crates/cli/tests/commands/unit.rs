//! The unit that ships for devices, as systemd reads it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;

use crate::lab;

const FOLDER: &str = "/var/lib/transom-agent";
const PROGRAM: &str = "/usr/bin/transom";

/// The unit's file.
pub(crate) struct Unit(String);

impl Unit {
    pub(crate) fn shipped() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/transom-agent.service");
        Self(fs::read_to_string(path).expect("it is shipped"))
    }

    /// Returns the values of this setting.
    fn values(&self, name: &str) -> Vec<&str> {
        let values = self.0.lines().filter_map(|line| line.split_once('='));
        values.filter(|(setting, _)| *setting == name).map(|(_, value)| value).collect()
    }

    fn value(&self, name: &str) -> &str {
        let [one] = self.values(name)[..] else { panic!("{name} stands there once") };
        one
    }

    /// Tells whether systemd restarts a service that ends with this code (systemd.service(5)).
    pub(crate) fn starts_again(&self, code: i32) -> bool {
        let never: Vec<_> = self.value("RestartPreventExitStatus").split(' ').collect();
        self.value("Restart") == "on-failure" && code != 0 && !never.contains(&code.to_string().as_str())
    }

    /// Writes the credentials as the service finds them: the existing files, and otherwise their
    /// substitutes.
    fn credentials(&self, files: &HashMap<&str, String>, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        let stands_in: HashMap<_, _> =
            self.values("SetCredential").into_iter().filter_map(|one| one.split_once(':')).collect();
        for (name, path) in self.values("LoadCredential").into_iter().filter_map(|one| one.split_once(':')) {
            let file = path.strip_prefix("/etc/transom/").expect("root's files stand together");
            let content =
                files.get(file).cloned().or_else(|| Some(stands_in.get(name)?.replace("\\n", "\n")));
            fs::write(folder.join(name), content.expect("a file that is missing fails the service"))
                .expect("written");
        }
    }

    /// Returns the command line: `${NAME}` is one word, and `$NAME` as many as its value has
    /// (systemd.service(5), Command lines).
    fn words(&self, environment: &HashMap<String, String>, credentials: &Path) -> Vec<String> {
        let of = |name: &str| environment.get(name).cloned().unwrap_or_default();
        let words = self.value("ExecStart").split(' ').flat_map(|word| {
            if let Some(name) = word.strip_prefix("${").and_then(|word| word.strip_suffix('}')) {
                return vec![of(name)];
            }
            match word.strip_prefix('$') {
                Some(name) => of(name).split_whitespace().map(str::to_owned).collect(),
                None => vec![word.replace("%d", &credentials.display().to_string())],
            }
        });
        words.collect()
    }
}

/// A device that has the unit.
struct Device<'a> {
    program: &'a Program,
    folder: PathBuf,
}

impl Device<'_> {
    /// Starts the service with these settings in its `agent.env` and these files beside it.
    fn service(&self, settings: &str, files: &[(&'static str, &str)]) -> Process {
        let unit = Unit::shipped();
        let defaults = unit.values("Environment");
        let settings = defaults.into_iter().chain(settings.lines()).filter_map(|line| line.split_once('='));
        let environment: HashMap<_, _> =
            settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let credentials = self.folder.join("credentials");
        let files = files.iter().map(|(name, content)| (*name, (*content).to_owned())).collect();
        unit.credentials(&files, &credentials);
        let words = unit.words(&environment, &credentials);
        let mut words = words.iter().map(String::as_str);
        assert_eq!(words.next(), Some(PROGRAM));
        let mut command = self.program.command();
        let data = self.folder.join("state").display().to_string();
        command.args(words.map(|word| if word == FOLDER { data.as_str() } else { word })).envs(environment);
        Process::start("transom-agent.service", &mut command)
    }
}

#[test]
fn the_shipped_unit_runs_an_agent_that_has_an_address_and_one_that_enrols() {
    let program = lab();
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let own = program.ask_json(&format!("address add --key {key} --action listen"));
    let (address, password) = (
        own["cloudAddress"].as_str().expect("an address"),
        own["cloudPassword"].as_str().expect("a password"),
    );
    let settings = format!(
        "TRANSOM_SERVER=http://{}\nOPTIONS=--to 127.0.0.1:5900 --to plc=127.0.0.1:5901",
        program.address()
    );
    let device = |name: &str| Device { program: &program, folder: program.data().with_file_name(name) };
    let given = format!("ADDRESS={address}\n{settings}");
    let service = device("given").service(&given, &[("agent-password", &format!("{password}\n"))]);
    service.stderr().expect("Online\n", PATIENCE);
    drop(service);
    let token = program.ask(&format!("enrollment add --key {key}"));
    let fresh = device("fresh");
    let service = fresh.service(&settings, &[("agent-token", &format!("{token}\n"))]);
    service.stderr().expect("Enrolled as ", PATIENCE);
    service.stderr().expect("Online\n", PATIENCE);
    drop(service);
    // The token has been used and may be removed.
    let service = fresh.service(&settings, &[]);
    service.stderr().expect("Online\n", PATIENCE);
    drop(service);
    let mut nobody = device("nobody").service(&settings, &[]);
    assert_eq!(nobody.wait(PATIENCE).code(), Some(1));
    let said = nobody.stderr().text();
    assert!(said.contains("transom: this device has no address yet, and neither an enrollment token nor an address was given\n"), "{said}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_that_are_shipped() {
    let program = crate::transom();
    for name in ["transom-agent.service", "transom.service"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name);
        let shipped = fs::read_to_string(path).expect("it is shipped");
        // Only the path of the installed program differs from the shipped unit.
        let here = shipped.replace(PROGRAM, env!("CARGO_BIN_EXE_transom"));
        let file = program.file(name, &here);
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no", &file]).output();
        let verified = verified.expect("systemd-analyze is there: run `make test`, which installs it");
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && !said.contains(name), "{said}");
    }
}
