//! Every dependency of a crate is used: the sources name each entry of `[dependencies]`, and the
//! sources or tests name each entry of `[dev-dependencies]`.

use toml::{Table, Value};

use crate::workspace;

#[test]
fn every_dependency_is_named_in_a_source() {
    let mut unused = Vec::new();
    for krate in workspace::crates() {
        let folder = format!("crates/{}", krate.name);
        let manifest = workspace::read(&workspace::root().join(&folder).join("Cargo.toml"));
        let product = text(&folder, &["src"]);
        let tests = text(&folder, &["src", "tests", "examples", "benches"]);
        let build = text(&folder, &["build"]);
        for (section, code) in
            [("dependencies", &product), ("dev-dependencies", &tests), ("build-dependencies", &build)]
        {
            unused.extend(
                entries(&manifest, section)
                    .into_iter()
                    .filter(|entry| !names(code, entry))
                    .map(|entry| format!("{folder}: no source names {entry} of [{section}]")),
            );
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[test]
fn an_unused_dependency_is_reported() {
    let manifest = r#"
        [dependencies]
        serde.workspace = true
        transom-model.workspace = true
        [target.'cfg(unix)'.dependencies]
        rustix = "1"
        [dev-dependencies]
        tempfile = "3"
    "#;
    assert_eq!(entries(manifest, "dependencies"), ["serde", "transom-model", "rustix"]);
    assert_eq!(entries(manifest, "dev-dependencies"), ["tempfile"]);
    let code = "// serde::Serialize\nuse transom_model::id; fn f() { let serde_json = 1; }";
    assert!(names(&code_of(code), "transom-model"));
    assert!(!names(&code_of(code), "serde"), "neither a comment nor a longer word is a use");
    assert!(names(&code_of("#[derive(serde::Serialize)] struct A;"), "serde"));
}

/// The code of these folders or files of a crate, without comments.
fn text(folder: &str, places: &[&str]) -> String {
    let files = places.iter().flat_map(|place| workspace::files(&format!("{folder}/{place}")));
    files.map(|file| code_of(&file.text)).collect()
}

/// The text without its comment lines. Documentation examples count as code.
fn code_of(text: &str) -> String {
    let mut is_example = false;
    let mut code = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        let documentation = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if documentation.is_some_and(|text| text.trim_start().starts_with("```")) {
            is_example = !is_example && !line.trim_end().ends_with("text");
        }
        if !line.starts_with("//") || (documentation.is_some() && is_example) {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// The names in a section of a manifest, also below `[target.….]`.
fn entries(manifest: &str, section: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().expect("a manifest is TOML");
    let for_targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    std::iter::once(&manifest)
        .chain(for_targets.filter_map(Value::as_table))
        .filter_map(|table| table.get(section).and_then(Value::as_table))
        .flat_map(Table::keys)
        .cloned()
        .collect()
}

/// Returns whether the code has the crate's name as a whole word.
fn names(code: &str, entry: &str) -> bool {
    let name = entry.replace('-', "_");
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(&name)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + name.len()..].starts_with(is_word))
}
