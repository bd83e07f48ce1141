//! Holds `docs/COMPATIBILITY.md`, which is generated from `tests/compatibility.toml`: every test in
//! it exists and every version is the pinned one.

use std::fmt::Write as _;
use std::fs;

use toml::{Table, Value};

use crate::promises::{root, stands};

const LIST: &str = include_str!("../../../../tests/compatibility.toml");
const PAGE: &str = "../docs/COMPATIBILITY.md";
/// The kinds of peers, in the page's order.
const KINDS: [&str; 4] = ["servers", "viewers", "clients of the APIs", "proxies"];
/// The checks that a peer may have.
const CHECKS: [&str; 3] = ["picture", "typing", "calls"];

const HEAD: &str = "# Compatibility

For people who want to know whether Transom works with their VNC server, viewer, client or proxy. At the end you know which
versions the tests run, and what each test checks.

`make test` runs these programs unmodified, together with Transom. \u{1f7e2} means that a test saw the machine's picture **and**
that typed keys arrived. \u{26aa} means that a test checked less than that; the row names the checks and the reason. For clients
from PyPI and npm, *newest release* gives the newest one and the day on which it was looked up. If the tests run another
release, the row also gives the result of a manual test with the newest one.

This page is generated from `tests/compatibility.toml`, and a test compares the two.
";

struct Peer {
    name: String,
    kind: String,
    version: String,
    /// The newest release, and the result of testing it.
    newest: String,
    /// The checks, each with the test that performs it.
    checks: Vec<(&'static str, String)>,
    /// The reason why neither picture nor typing was checked.
    less: Option<String>,
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
        let known = ["name", "kind", "debian", "python", "npm", "newest", "less"];
        let members = peer.as_table().expect("a table").keys();
        for member in members.filter(|member| !known.contains(&member.as_str())) {
            assert!(CHECKS.contains(&member.as_str()), "{name}: what is {member}?");
        }
        let newest = match (text("debian"), peer.get("newest")) {
            (None, Some(newest)) => {
                self::newest(newest, version).unwrap_or_else(|why| panic!("{name}: {why}"))
            }
            (Some(_), None) => String::new(),
            (None, None) => panic!("{name}: which release is the newest?"),
            (Some(_), Some(_)) => panic!("{name}: Debian's release stays"),
        };
        let kind = text("kind").expect("a kind");
        Self { kind, version: version.clone(), newest, checks, less: text("less"), name }
    }

    /// Returns whether both picture and typing are checked.
    fn is_whole(&self) -> bool {
        ["picture", "typing"].iter().all(|wanted| self.checks.iter().any(|(check, _)| check == wanted))
    }

    fn row(&self) -> String {
        let mark = if self.is_whole() { '\u{1f7e2}' } else { '\u{26aa}' };
        let mut tests: Vec<&str> = self.checks.iter().map(|(_, test)| test.as_str()).collect();
        tests.dedup();
        let checks: Vec<_> = self.checks.iter().map(|(check, _)| *check).collect();
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        let less: String = self.less.iter().map(|why| format!("; {why}")).collect();
        let (checks, tests) = (checks.join(", ") + &less, tests.join(", "));
        format!("| {mark} | {} | {} | {} | {checks} | {tests} |", self.name, self.version, self.newest)
    }
}

/// The newest release: the one that the tests run, or another one that was tried manually.
fn newest(newest: &Value, run: &str) -> Result<String, &'static str> {
    let text = |name: &str| newest.get(name).and_then(Value::as_str);
    let (version, on) =
        text("version").zip(text("on")).ok_or("the newest release has a version and a day")?;
    match text("tried") {
        None if version == run => Ok(format!("the same ({on})")),
        Some(result) if version != run => Ok(format!("{version} ({on}): {result}")),
        Some(_) => Err("the newest release is the one that the tests run: they tell what comes of it"),
        None => Err("the newest release is another one than the tests run: what came of it?"),
    }
}

fn read(path: &str) -> String {
    let path = root().join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The version of a Debian package, which the set-up installs.
fn debian(package: &str) -> String {
    let installed = read("scripts/setup.sh");
    let mut words = installed.split_whitespace();
    assert!(words.any(|word| word == package), "scripts/setup.sh does not install {package}");
    format!("Debian 12: `{package}`")
}

/// The version of a package in a list, given as LIST/PACKAGE.
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
        let _ = writeln!(
            page,
            "\n## {title}\n\n| | program | version | newest release | checks | tests |\n|---|---|---|---|---|---|"
        );
        for peer in peers.iter().filter(|peer| peer.kind == kind) {
            let _ = writeln!(page, "{}", peer.row());
        }
    }
    page
}

#[test]
fn the_compatibility_page_matches_the_tests() {
    let peers = peers();
    assert!(peers.len() > 15 && peers.iter().any(|peer| !peer.is_whole()), "the list was not read");
    let unknown: Vec<_> =
        peers.iter().filter(|peer| !KINDS.contains(&peer.kind.as_str())).map(|peer| &peer.name).collect();
    assert!(unknown.is_empty(), "of no kind: {unknown:?}");
    for peer in &peers {
        assert!(
            peer.is_whole() != peer.less.is_some(),
            "{}: either both were checked, or why not",
            peer.name
        );
    }
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
fn every_test_of_compatibility_exists() {
    let tests = peers().into_iter().flat_map(|peer| peer.checks).map(|(_, test)| test);
    let missing: Vec<_> = tests.filter(|test| !stands(test)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_newest_release_that_no_test_runs_says_what_came_of_it() {
    let told = |text: &str, run: &str| newest(&Value::Table(text.parse().expect("TOML")), run).ok();
    let (same, tried) =
        ("version = '2'\non = '2026-11-30'", "version = '2'\non = '2026-11-30'\ntried = 'works'");
    assert_eq!(told(same, "2").as_deref(), Some("the same (2026-11-30)"));
    assert_eq!(told(tried, "1").as_deref(), Some("2 (2026-11-30): works"));
    assert_eq!((told(same, "1"), told(tried, "2"), told("version = '2'", "2")), (None, None, None));
}
