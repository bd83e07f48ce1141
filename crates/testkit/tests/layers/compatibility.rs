//! `docs/COMPATIBILITY.md`: made from `tests/compatibility.toml`, whose every test exists and whose every version is the pinned one.

use std::fmt::Write as _;
use std::fs;

use toml::{Table, Value};

use crate::promises::{root, stands};

const LIST: &str = include_str!("../../../../tests/compatibility.toml");
const PAGE: &str = "../docs/COMPATIBILITY.md";
/// The kinds of peers, in the page's order.
const KINDS: [&str; 4] = ["servers", "viewers", "clients of the APIs", "proxies"];
/// What may be checked of each.
const CHECKS: [&str; 3] = ["picture", "typing", "calls"];

const HEAD: &str = "# Compatibility

What was run against Transom, of which version, and which test shows what. The tests run with `make test`, against the programs
themselves. \u{1f7e2} stands only where a picture was seen **and** what was typed arrived; \u{26aa} is something less: what
was checked is named, and nothing else was. This page is made from `tests/compatibility.toml`, and a test holds it.
";

struct Peer {
    name: String,
    kind: String,
    version: String,
    /// What was checked, and the test that shows it.
    checks: Vec<(&'static str, String)>,
}

impl Peer {
    fn read(peer: &Value) -> Self {
        let text = |name: &str| peer.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").expect("a name");
        let versions = [
            text("debian").map(|package| debian(&package)),
            text("python").map(|package| python(&package)),
            text("npm").map(|package| npm(&package)),
        ];
        let versions: Vec<_> = versions.into_iter().flatten().collect();
        let [version] = &versions[..] else { panic!("{name}: one package") };
        let checks: Vec<_> = CHECKS.into_iter().filter_map(|check| Some((check, text(check)?))).collect();
        assert!(!checks.is_empty(), "{name}: nothing was checked");
        let known = ["name", "kind", "debian", "python", "npm"];
        let members = peer.as_table().expect("a table").keys();
        for member in members.filter(|member| !known.contains(&member.as_str())) {
            assert!(CHECKS.contains(&member.as_str()), "{name}: what is {member}?");
        }
        Self { kind: text("kind").expect("a kind"), version: version.clone(), checks, name }
    }

    /// Whether both a picture and typing were checked.
    fn is_whole(&self) -> bool {
        ["picture", "typing"].iter().all(|wanted| self.checks.iter().any(|(check, _)| check == wanted))
    }

    fn row(&self) -> String {
        let mark = if self.is_whole() { '\u{1f7e2}' } else { '\u{26aa}' };
        let mut tests: Vec<&str> = self.checks.iter().map(|(_, test)| test.as_str()).collect();
        tests.dedup();
        let checks: Vec<_> = self.checks.iter().map(|(check, _)| *check).collect();
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        let (checks, tests) = (checks.join(", "), tests.join(", "));
        format!("| {mark} | {} | {} | {checks} | {tests} |", self.name, self.version)
    }
}

fn read(path: &str) -> String {
    let path = root().join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A package of Debian, which the set-up installs.
fn debian(package: &str) -> String {
    let installed = read("scripts/setup.sh");
    let mut words = installed.split_whitespace();
    assert!(words.any(|word| word == package), "scripts/setup.sh does not install {package}");
    format!("Debian 12: `{package}`")
}

/// A package of a list, as LIST/PACKAGE.
fn python(package: &str) -> String {
    let (list, package) = package.split_once('/').expect("a list and a package");
    let list = read(&format!("tests/clients/{list}.txt"));
    let mut pins = list.lines().filter_map(|line| line.split(" --hash").next()?.split_once("=="));
    let pin = pins.find(|(name, _)| name.eq_ignore_ascii_case(package));
    pin.unwrap_or_else(|| panic!("{package} is in no list")).1.trim().to_owned()
}

fn npm(package: &str) -> String {
    let manifest = read("web/package.json");
    let (_, rest) = manifest.split_once(&format!("\"{package}\": \"")).expect("the package is named");
    rest.split('"').next().expect("a version").to_owned()
}

fn peers() -> Vec<Peer> {
    let list: Table = LIST.parse().expect("the list is TOML");
    list["peer"].as_array().expect("a list").iter().map(Peer::read).collect()
}

fn page(peers: &[Peer]) -> String {
    let mut page = String::from(HEAD);
    for kind in KINDS {
        let title: String =
            kind.chars().take(1).flat_map(char::to_uppercase).chain(kind.chars().skip(1)).collect();
        let _ = writeln!(page, "\n## {title}\n\n| | what | version | checked | by |\n|---|---|---|---|---|");
        for peer in peers.iter().filter(|peer| peer.kind == kind) {
            let _ = writeln!(page, "{}", peer.row());
        }
    }
    page
}

#[test]
fn compatibility_is_told_as_the_tests_show_it() {
    let peers = peers();
    assert!(peers.len() > 15 && peers.iter().any(|peer| !peer.is_whole()), "the list was not read");
    let unknown: Vec<_> =
        peers.iter().filter(|peer| !KINDS.contains(&peer.kind.as_str())).map(|peer| &peer.name).collect();
    assert!(unknown.is_empty(), "of no kind: {unknown:?}");
    let path = root().join(PAGE);
    if std::env::var_os("TRANSOM_UPDATE").is_some() {
        fs::write(&path, page(&peers)).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let how = "TRANSOM_UPDATE=1 cargo nextest run -p transom-testkit --test layers compatibility";
    assert!(
        written == page(&peers),
        "docs/COMPATIBILITY.md is not what tests/compatibility.toml says: {how}"
    );
}

#[test]
fn every_test_that_shows_compatibility_exists() {
    let tests = peers().into_iter().flat_map(|peer| peer.checks).map(|(_, test)| test);
    let missing: Vec<_> = tests.filter(|test| !stands(test)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
