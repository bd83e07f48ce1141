//! Holds the promises of `docs/SECURITY.md`: each part of the page has rows in its last table, and
//! every test in a row exists.

use std::path::PathBuf;

const PAGE: &str = include_str!("../../../../docs/SECURITY.md");
const TABLE: &str = "## Which test proves what";

/// Parts of the page that name limits and therefore promise nothing.
const NO_PROMISE: [&str; 4] =
    ["Attackers", "Somebody who writes to the database", "Root on the node", "Known gaps"];

struct Row {
    part: String,
    promise: String,
    /// The tests, which the page writes between backticks.
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let (_, table) = PAGE.split_once(TABLE).expect("the table has a heading");
    let mut rows: Vec<Row> = Vec::new();
    for line in table.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else { continue };
        let cells: Vec<_> = cells.split('|').map(str::trim).collect();
        let [part, promise, tests] = cells[..] else { panic!("three cells: {line}") };
        if part == "part" || part.starts_with('-') {
            continue;
        }
        // An empty first cell continues the part above.
        let part = if part.is_empty() { rows.last().expect("a part").part.clone() } else { part.to_owned() };
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        rows.push(Row { part, promise: promise.to_owned(), tests });
    }
    rows
}

/// The parts of the page: its sections, and the paragraphs that start with a possible attacker.
fn parts() -> Vec<String> {
    let (page, _) = PAGE.split_once(TABLE).expect("the table has a heading");
    page.lines()
        .filter_map(|line| {
            let section = line.strip_prefix("## ");
            section.or_else(|| Some(line.strip_prefix("**")?.split_once("**")?.0)).map(str::to_owned)
        })
        .map(|part| part.trim_end_matches('.').to_owned())
        .filter(|part| !NO_PROMISE.contains(&part.as_str()))
        .collect()
}

/// The files that may contain a test of this path.
fn places(path: &[&str]) -> Vec<PathBuf> {
    let (first, rest) = path.split_first().expect("a path");
    let folder = match *first {
        "front_door" | "fleet" | "layers" => format!("testkit/tests/{first}"),
        "real" | "commands" => format!("cli/tests/{first}"),
        "openstack" | "zenlayer" | "vnc_cloud" => format!("server/tests/{first}"),
        "conformance" => "store/tests/conformance".to_owned(),
        "fuzz" => return vec![root().join("testkit/tests/fuzz/main.rs")],
        // The crate's sources and their modules.
        krate => format!(
            "{krate}/{}",
            if root().join(krate).join("tests").join(format!("{}.rs", rest.join("/"))).exists() {
                "tests"
            } else {
                "src"
            }
        ),
    };
    let module = root().join(folder).join(rest.join("/"));
    vec![module.with_extension("rs"), module.join("tests.rs"), module.join("mod.rs"), module.join("main.rs")]
}

/// Returns whether a test of this name exists.
pub(crate) fn stands(test: &str) -> bool {
    let path: Vec<_> = test.split("::").collect();
    let (name, module) = path.split_last().expect("a path");
    places(module).into_iter().any(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        [format!("fn {name}("), format!("fn {name}<")].iter().any(|start| text.contains(start))
    })
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_part_of_the_page_has_a_row_and_every_row_a_part_and_a_test() {
    let (rows, parts) = (rows(), parts());
    assert!(parts.len() > 15, "{parts:?}");
    for part in &parts {
        assert!(rows.iter().any(|row| row.part == *part), "{part}: what holds it?");
    }
    for Row { part, promise, tests } in &rows {
        assert!(parts.contains(part), "{part} is no part of the page");
        assert!(!tests.is_empty() && !promise.is_empty(), "{part}: {promise}: what holds it?");
    }
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let mut missing = Vec::new();
    for Row { part, promise, tests } in rows() {
        for test in tests {
            if !stands(&test) {
                missing.push(format!("{part}: {promise}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
