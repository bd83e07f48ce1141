//! The workspace's files.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The folder below `crates/`.
    pub(crate) name: String,
    /// The names of its dependencies, without development dependencies.
    pub(crate) dependencies: Vec<String>,
}

/// A source file outside tests.
pub(crate) struct Source {
    /// The path from the workspace's root, for messages.
    pub(crate) file: String,
    /// The module path, such as `["crate", "app", "grants"]`.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
}

pub(crate) fn crates() -> Vec<Crate> {
    let mut crates: Vec<Crate> = children(&root().join("crates"))
        .into_iter()
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| Crate {
            name: name(&folder),
            dependencies: dependencies(&read(&folder.join("Cargo.toml"))),
        })
        .collect();
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    crates
}

/// The Rust files of a folder or module below `crates/`: `server/src/app` stands for `app.rs` and
/// everything in `app/`.
pub(crate) fn sources(place: &str) -> Vec<Source> {
    // A module of tests in a separate file is not part of the product.
    let files = files(&format!("crates/{place}"));
    files.into_iter().filter(|source| !Path::new(&source.file).ends_with("tests.rs")).collect()
}

/// All Rust files of a folder or module, including tests. `place` is below the workspace's root,
/// and may also be a single file.
pub(crate) fn files(place: &str) -> Vec<Source> {
    let path = root().join(place);
    let mut files = rust_files(&path);
    files.extend(Some(path.with_extension("rs")).filter(|file| file.exists()));
    files.into_iter().map(source).collect()
}

fn source(file: PathBuf) -> Source {
    let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
    Source { text: read(&file), module: module(&shown), file: shown }
}

/// Converts `crates/server/src/app/grants.rs` to `crate::app::grants`.
fn module(file: &str) -> Vec<String> {
    let below_src = file.split_once("/src/").map_or("", |(_, below)| below).trim_end_matches(".rs");
    let segments = below_src.split('/').filter(|segment| !matches!(*segment, "" | "mod" | "lib" | "main"));
    std::iter::once("crate").chain(segments).map(str::to_owned).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    children(folder)
        .into_iter()
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The entries of `[dependencies]` and `[build-dependencies]`, also below `[target.….]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().expect("a manifest is TOML");
    let for_targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    std::iter::once(&manifest)
        .chain(for_targets.filter_map(Value::as_table))
        .flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")])
        .flatten()
        .filter_map(Value::as_table)
        .flatten()
        .map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned())
        .collect()
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub(crate) fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("a readable folder").path()).collect()
}

/// The names of the folders in a folder below `crates/`.
pub(crate) fn folders(place: &str) -> Vec<String> {
    let children = children(&root().join("crates").join(place));
    children.iter().filter(|child| child.is_dir()).map(|folder| name(folder)).collect()
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_every_section_of_a_manifest() {
        let found = dependencies(
            r#"
            [dependencies]
            serde.workspace = true
            web = { package = "axum", version = "0.8" }
            [build-dependencies]
            cc = "1"
            [target.'cfg(unix)'.dependencies]
            tokio = "1"
            [dev-dependencies]
            sqlx = "0.9"
            "#,
        );
        assert_eq!(found, ["serde", "axum", "cc", "tokio"]);
    }

    #[test]
    fn a_files_module_is_derived_from_its_path() {
        assert_eq!(module("crates/server/src/lib.rs"), ["crate"]);
        assert_eq!(module("crates/server/src/app.rs"), ["crate", "app"]);
        assert_eq!(module("crates/server/src/app/mod.rs"), ["crate", "app"]);
        assert_eq!(module("crates/server/src/app/grants.rs"), ["crate", "app", "grants"]);
    }
}
