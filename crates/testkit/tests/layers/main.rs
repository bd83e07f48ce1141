//! Holds the layers of `docs/ARCHITECTURE.md`: the dependencies between crates, and the imports
//! that each part must not have.
//!
//! The rules are in `rules.rs`. The tests read manifests as TOML and sources as Rust tokens, so
//! they ignore comments and strings and find imports in nested `use` declarations. Test code
//! (`#[cfg(test)]`, `tests/`) is exempt.

mod circles;
mod compatibility;
mod english;
mod graph;
mod pages;
mod paths;
mod promises;
mod requirements;
mod rules;
mod unused;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};

use rules::{DIALECTS, LAYERS, MAY_STAND_ON, MODULES, Modules, Never};
use workspace::{Crate, Source};

#[test]
fn every_crate_depends_only_on_the_layers_below_it() {
    let crates = workspace::crates();
    assert!(crates.len() >= 7, "the workspace was not found: {crates:?}");
    let broken: Vec<String> = crates.iter().flat_map(misplaced).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_part_has_an_import_that_its_layer_forbids() {
    let dialects = workspace::folders(DIALECTS);
    assert!(dialects.len() >= 4, "the dialects were not found: {dialects:?}");
    let broken: Vec<String> = LAYERS
        .iter()
        .flat_map(|layer| broken_rules(layer.place, layer.never, layer.why))
        .chain(dialects.iter().flat_map(|dialect| {
            let others = dialects.iter().filter(|other| *other != dialect).cloned();
            let others: Vec<Never> = others.map(Never::Module).collect();
            let place = format!("{DIALECTS}/{dialect}");
            broken_rules(&place, &others, "a dialect never leans on another dialect")
        }))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_has_a_row_and_imports_only_the_modules_in_it() {
    let broken: Vec<String> = MODULES.iter().flat_map(misplaced_modules).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_pure_crates_are_really_read() {
    for place in ["rfb/src", "model/src"] {
        let mentions: usize = workspace::sources(place)
            .iter()
            .map(|source| paths::mentions(&source.text, &source.module).len())
            .sum();
        assert!(
            mentions > 100,
            "{place}: {mentions} paths found, so the rules would hold whatever it imported"
        );
    }
}

#[test]
fn a_dependency_in_the_wrong_direction_is_reported() {
    let krate =
        |name: &str, dependency: &str| Crate { name: name.into(), dependencies: vec![dependency.into()] };
    assert_eq!(misplaced(&krate("server", "transom-store")), [""; 0]);
    assert_eq!(misplaced(&krate("server", "transom-testkit")).len(), 1);
    assert_eq!(
        misplaced(&krate("store", "transom-server")),
        [r#"crate store depends on server; it may stand on ["folder", "model"] only"#]
    );
    assert_eq!(misplaced(&krate("novelty", "serde")).len(), 1);
}

/// The forbidden dependencies of a crate, one sentence each.
fn misplaced(krate: &Crate) -> Vec<String> {
    let Some((_, below)) = MAY_STAND_ON.iter().find(|(name, _)| *name == krate.name) else {
        return vec![format!(
            "crate {} has no place: give it one in rules.rs and in docs/ARCHITECTURE.md",
            krate.name
        )];
    };
    krate
        .dependencies
        .iter()
        .filter_map(|dependency| dependency.strip_prefix("transom-"))
        .filter(|ours| !below.contains(ours))
        .map(|ours| format!("crate {} depends on {ours}; it may stand on {below:?} only", krate.name))
        .collect()
}

/// The modules of a crate without a row, the rows without a module, and the imports that no row
/// allows, one sentence each.
fn misplaced_modules(modules: &Modules) -> Vec<String> {
    let sources = workspace::sources(&format!("{}/src", modules.krate));
    let own = |source: &Source| source.module.get(1).cloned();
    let found: BTreeSet<String> = sources.iter().filter_map(own).collect();
    let rows: BTreeMap<&str, &[&str]> = modules.rows.iter().copied().collect();
    let mut broken: Vec<String> = found
        .iter()
        .filter(|module| !rows.contains_key(module.as_str()))
        .map(|module| format!("{}: the module {module} has no row in rules.rs", modules.krate))
        .collect();
    broken.extend(
        rows.keys()
            .filter(|module| !found.contains(**module))
            .map(|module| format!("{}: no module {module}", modules.krate)),
    );
    for source in &sources {
        let Some(own) = own(source) else { continue };
        let allowed = rows.get(own.as_str()).copied().unwrap_or_default();
        for mention in paths::mentions(&source.text, &source.module) {
            let [krate, other, ..] = &mention.path[..] else { continue };
            let is_allowed = *other == own
                || modules.common.contains(&other.as_str())
                || allowed.contains(&other.as_str());
            if krate == "crate" && found.contains(other) && !is_allowed {
                broken.push(format!(
                    "{}:{} imports {other}; {own} may import {allowed:?} only",
                    source.file, mention.line
                ));
            }
        }
    }
    broken
}

/// The forbidden imports in the sources and the manifest of `place`, one sentence each. Returns an
/// empty list if `place` does not exist.
fn broken_rules(place: &str, never: &[Never], why: &str) -> Vec<String> {
    let in_sources = workspace::sources(place).into_iter().flat_map(|source| {
        let mentions = paths::mentions(&source.text, &source.module);
        mentions
            .into_iter()
            .filter(|mention| never.iter().any(|never| never.forbids(mention)))
            .map(move |mention| {
                format!("{}:{} names {} ({why})", source.file, mention.line, mention.path.join("::"))
            })
            .collect::<Vec<_>>()
    });
    let in_manifest = workspace::crates()
        .into_iter()
        .filter(|krate| format!("{}/src", krate.name) == place)
        .flat_map(|krate| {
            krate
                .dependencies
                .into_iter()
                .filter(|dependency| never.iter().any(|never| never.forbids_crate(dependency)))
                .map(move |dependency| format!("crate {} depends on {dependency} ({why})", krate.name))
        });
    in_sources.chain(in_manifest).collect()
}
