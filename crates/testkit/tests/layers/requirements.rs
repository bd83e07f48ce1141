//! Holds the table of requirements in `docs/dialects/vnc-cloud.md`: it is complete, and every test
//! in it exists.

use std::path::PathBuf;

/// The kinds of requirements and the number of each.
const IDS: [(&str, usize); 10] = [
    ("G", 18),
    ("C", 31),
    ("L", 15),
    ("R", 7),
    ("D", 12),
    ("U", 17),
    ("P", 10),
    ("X", 8),
    ("ACL", 10),
    ("S", 16),
];

struct Row {
    id: String,
    /// The tests, which the page writes between backticks.
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let page = include_str!("../../../../docs/dialects/vnc-cloud.md");
    let (_, tables) = page.split_once("## Requirement and test").expect("the tables have a heading");
    let cells =
        tables.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    cells
        .filter(|(id, _)| *id != "id")
        .map(|(id, held_by)| Row {
            id: id.to_owned(),
            tests: held_by.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        })
        .collect()
}

/// The files that may contain a test of this name.
fn places(module: &str) -> [PathBuf; 2] {
    let (place, module) = module.rsplit_once(' ').unwrap_or(("", module));
    let folder = match place {
        "" => "server/tests/vnc_cloud",
        "unit" => "api/src/vnc_cloud",
        "model" => "model/src/cloud",
        "store" => "store/tests",
        "front_door" => "testkit/tests/front_door",
        "fleet" => "testkit/tests/fleet",
        "real" => "cli/tests/real",
        "commands" => "cli/tests/commands",
        other => panic!("nobody knows where {other} is"),
    };
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder);
    [folder.join(format!("{module}.rs")), folder.join(module).join("tests.rs")]
}

#[test]
fn every_requirement_has_one_row_and_every_row_a_test() {
    let rows = rows();
    for (kind, count) in IDS {
        for n in 1..=count {
            let id = format!("{kind}{n}");
            let own: Vec<_> = rows.iter().filter(|row| row.id == id).collect();
            assert_eq!(own.len(), 1, "{id} has {} rows", own.len());
            assert!(own.iter().any(|row| !row.tests.is_empty()), "{id}: what holds it?");
        }
    }
    assert_eq!(rows.len(), IDS.iter().map(|(_, count)| count).sum::<usize>(), "rows that nobody asked for");
}

#[test]
fn every_test_that_a_row_names_exists() {
    let mut missing = Vec::new();
    for Row { id, tests } in rows() {
        for test in tests {
            let (module, name) = test.split_once("::").unwrap_or_else(|| panic!("{id}: {test} is no path"));
            let stands = |path: PathBuf| {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                [format!("fn {name}("), format!("fn {name}<")].iter().any(|start| text.contains(start))
            };
            if !places(module).into_iter().any(stands) {
                missing.push(format!("{id}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
