//! The files of a crate import each other in no circle, so each can be read, moved and tested with
//! only the files below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::graph::{Arrows, Graph};
use crate::workspace::{self, Source};

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let graphs: Vec<Graph> = workspace::crates().iter().flat_map(|krate| graphs(&krate.name)).collect();
    let arrows: Vec<Arrows<'_>> = graphs.iter().map(Graph::arrows).collect();
    let told: Vec<String> = arrows
        .iter()
        .flat_map(|arrows| circles(arrows).into_iter().map(|circle| tell(arrows, &circle)))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_graph_has_the_arrows_of_the_sources() {
    for (krate, files, least) in [("rfb", 15, 20), ("model", 20, 40), ("app", 40, 80), ("api", 50, 100)] {
        let graphs = graphs(krate);
        let [graph] = &graphs[..] else { panic!("{krate}: {} graphs", graphs.len()) };
        let count: usize = graph.arrows().values().map(BTreeMap::len).sum();
        assert!(graph.len() >= files && count >= least, "{krate}: {} files, {count} arrows", graph.len());
    }
}

/// The graph of a crate's library, of its program, or of both.
fn graphs(krate: &str) -> Vec<Graph> {
    let roots = ["lib.rs", "main.rs"].map(|root| format!("crates/{krate}/src/{root}"));
    let of = |root: &String| {
        let sources = workspace::sources(&format!("{krate}/src"));
        let stands = sources.iter().any(|source| source.file == *root);
        let is_other = |source: &Source| roots.contains(&source.file) && source.file != *root;
        stands.then(|| Graph::of(sources.into_iter().filter(|source| !is_other(source)).collect()))
    };
    roots.iter().filter_map(of).collect()
}

/// The circles: sets of files each of which leads to all the others.
fn circles<'a>(arrows: &Arrows<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().copied().map(|file| (file, reached(arrows, file))).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (file, below) in &reached {
        if below.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
            let returns = |other: &&&str| reached.get(**other).is_some_and(|reached| reached.contains(file));
            circles.push(below.iter().filter(returns).copied().collect());
        }
    }
    circles
}

/// The files that can be reached from a file by at least one arrow.
fn reached<'a>(arrows: &Arrows<'a>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        let onward = arrows.get(file).into_iter().flat_map(BTreeMap::keys);
        next.extend(onward.copied().filter(|file| reached.insert(*file)));
    }
    reached
}

/// Describes a circle: each of its arrows, with its line and the imported names.
fn tell(arrows: &Arrows<'_>, circle: &BTreeSet<&str>) -> String {
    let mut told = format!("{} files import each other in a circle:", circle.len());
    for from in circle {
        for (to, (line, names)) in arrows.get(from).into_iter().flatten() {
            if circle.contains(to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let _ = write!(told, "\n  {from}:{line} -> {to}: {}", names.join(", "));
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of a crate that consists of these modules, each as `from -> to`.
    fn drawn(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(module, text): &(&str, &str)| Source {
            file: (*module).to_owned(),
            module: module.split("::").map(str::to_owned).collect(),
            text: (*text).to_owned(),
        };
        let graph = Graph::of(files.iter().map(source).collect());
        let arrows = graph.arrows();
        arrows.iter().flat_map(|(from, to)| to.keys().map(move |to| format!("{from} -> {to}"))).collect()
    }

    const ROOT: (&str, &str) = ("crate", "mod a; mod b; pub struct Top;");

    #[test]
    fn an_arrow_is_drawn_however_a_name_is_taken() {
        for code in [
            "use crate::b::B;",
            "use super::b::{B as Other};",
            "use crate::{b::{self}}; fn f() { b::B::new(); }",
            "use super::b; fn f() { let _ = b::B; }",
            "use super::*; fn f() { b::B::new(); }",
            "use super::b::*; fn f(b: B) {}",
            "fn f() -> crate::b::B { super::b::B }",
            "mod inner { use super::super::b::B; }",
            "fn f() { wrap!(crate::b::B); }",
            "pub use crate::b::B; fn f(b: B) {}",
        ] {
            assert_eq!(
                drawn(&[ROOT, ("crate::a", code), ("crate::b", "pub struct B;")]),
                ["crate::a -> crate::b"],
                "{code}"
            );
        }
    }

    #[test]
    fn what_takes_nothing_draws_nothing() {
        for code in [
            "pub use crate::b::B;",
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "use super::b;",
            "use super::b::*;",
            "use other::b::B; fn f() { B::new(); }",
            "pub use crate::b::B; fn f(b: Thing) { b.B(); }",
            "// use crate::b::B;",
        ] {
            assert_eq!(drawn(&[ROOT, ("crate::a", code), ("crate::b", "pub struct B;")]), [""; 0], "{code}");
        }
    }

    #[test]
    fn a_reexport_leads_to_the_file_that_defines_the_name() {
        let root = ("crate", "mod a; mod b; pub use b::B; pub use b::deep::*;");
        let (b, deep) = (("crate::b", "pub mod deep; pub struct B;"), ("crate::b::deep", "pub struct D;"));
        let arrows = |code| drawn(&[root, ("crate::a", code), b, deep]);
        assert_eq!(arrows("use crate::B;"), ["crate::a -> crate::b"]);
        assert_eq!(arrows("use crate::D;"), ["crate::a -> crate::b::deep"]);
        assert_eq!(arrows("use super::{B, D};"), ["crate::a -> crate::b", "crate::a -> crate::b::deep"]);
    }

    #[test]
    fn a_file_that_only_tests_declare_is_left_out() {
        let root = ("crate", "mod a; #[cfg(test)] mod b;");
        let (a, b) = (("crate::a", "pub struct A;"), ("crate::b", "use crate::a::A;"));
        assert_eq!(drawn(&[root, a, b]), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_and_what_hangs_on_it_is_not_part_of_it() {
        let arrow = |to: &'static str| (to, (1, BTreeSet::from([to.to_uppercase()])));
        let arrows = Arrows::from([
            ("a", BTreeMap::from([arrow("b"), arrow("x")])),
            ("b", BTreeMap::from([arrow("c")])),
            ("c", BTreeMap::from([arrow("a")])),
            ("y", BTreeMap::from([arrow("a")])),
        ]);
        let found = circles(&arrows);
        assert_eq!(found, [BTreeSet::from(["a", "b", "c"])]);
        assert_eq!(
            tell(&arrows, &found[0]),
            "3 files import each other in a circle:\n  a:1 -> b: B\n  b:1 -> c: C\n  c:1 -> a: A"
        );
        assert!(circles(&Arrows::from([("a", BTreeMap::from([arrow("b")]))])).is_empty());
    }
}
