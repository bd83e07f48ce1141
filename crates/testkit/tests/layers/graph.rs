//! The module graph of a crate: each file is a node, and each import from another file is an arrow.
//!
//! An arrow leads to the file that defines the name, through any number of re-exports. The
//! declaration of a child module is not an arrow. Neither is the re-export of a name that the file
//! itself does not use.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use crate::paths::{self, Mention};
use crate::workspace::Source;

/// The keywords that precede an item's name.
const DEFINING: [&str; 8] = ["struct", "enum", "trait", "type", "fn", "const", "static", "macro_rules"];

/// The files of a crate.
pub(crate) struct Graph {
    files: BTreeMap<Vec<String>, File>,
}

struct File {
    shown: String,
    /// The declared modules that have files of their own.
    children: BTreeSet<String>,
    defines: BTreeSet<String>,
    mentions: Vec<Mention>,
}

/// The destination of a path.
enum Found<'a> {
    /// A whole module.
    Module,
    /// A name that this module's file defines.
    Name(&'a [String]),
}

/// The names that a file imports from another, and the line of the first import.
pub(crate) type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (usize, BTreeSet<String>)>>;

impl Graph {
    /// Reads the sources of a crate. Excludes files that only tests declare.
    pub(crate) fn of(sources: Vec<Source>) -> Self {
        let mut found: BTreeMap<_, _> =
            sources.into_iter().map(|source| (source.module.clone(), File::read(source))).collect();
        let mut files = BTreeMap::new();
        let mut next = vec![vec!["crate".to_owned()]];
        while let Some(module) = next.pop() {
            let Some(file) = found.remove(&module) else { continue };
            next.extend(
                file.children.iter().map(|child| [&module[..], std::slice::from_ref(child)].concat()),
            );
            files.insert(module, file);
        }
        Self { files }
    }

    /// The number of files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Every arrow.
    pub(crate) fn arrows(&self) -> Arrows<'_> {
        let mut arrows = Arrows::new();
        for (module, file) in &self.files {
            for (path, line) in self.taken(module, file) {
                let Some(Found::Name(home)) = self.find(&path, &mut Vec::new()) else { continue };
                if home != module.as_slice() {
                    let from = arrows.entry(&file.shown).or_default();
                    let (_, names) = from.entry(&self.files[home].shown).or_insert((line, BTreeSet::new()));
                    names.extend(path.last().cloned());
                }
            }
        }
        arrows
    }

    /// The paths of a file's imports, starting with `crate`.
    fn taken(&self, module: &[String], file: &File) -> Vec<(Vec<String>, usize)> {
        let words = file.first_words();
        let mut taken = Vec::new();
        for mention in &file.mentions {
            match &mention.import {
                Some(import) if import.name == "*" => {
                    // A glob import imports the names that the file uses.
                    let Some(from) = file.absolute(&mention.path, module) else { continue };
                    taken.extend(file.code().map(|used| (joined(&from, &used.path), mention.line)));
                }
                Some(import) if import.exported && !words.contains(import.name.as_str()) => {}
                Some(_) => {
                    taken.extend(file.absolute(&mention.path, module).map(|path| (path, mention.line)));
                }
                None => taken.extend(file.meant(&mention.path, module).map(|path| (path, mention.line))),
            }
        }
        taken
    }

    /// Returns the file that defines the last segment of a path, through re-exports.
    fn find(&self, path: &[String], seen: &mut Vec<Vec<String>>) -> Option<Found<'_>> {
        if seen.iter().any(|seen| seen == path) {
            return None;
        }
        seen.push(path.to_vec());
        let depth = (1..=path.len()).rev().find(|depth| self.files.contains_key(&path[..*depth]))?;
        let (home, file) = self.files.get_key_value(&path[..depth])?;
        let Some(name) = path.get(depth) else { return Some(Found::Module) };
        if file.defines.contains(name) {
            return Some(Found::Name(home));
        }
        let rest = &path[depth + 1..];
        let named = file.imports().filter(|(imported, _)| *imported == name);
        let globs = file.imports().filter(|(imported, _)| *imported == "*");
        let through = named
            .filter_map(|(_, path)| Some(joined(&file.absolute(path, home)?, rest)))
            .chain(globs.filter_map(|(_, from)| Some(joined(&file.absolute(from, home)?, &path[depth..]))));
        through.collect::<Vec<_>>().iter().find_map(|path| self.find(path, seen))
    }
}

impl File {
    fn read(source: Source) -> Self {
        let tokens: TokenStream = source.text.parse().expect("a source file is made of Rust tokens");
        let (mut children, mut defines) = (BTreeSet::new(), BTreeSet::new());
        let words: Vec<String> = paths::without_tests(tokens)
            .iter()
            .filter(|token| !paths::is_mark(token, '!'))
            .map(word)
            .collect();
        for window in words.windows(3) {
            let [keyword, name, after] = window else { continue };
            if keyword == "mod" {
                let whose = if after == ";" { &mut children } else { &mut defines };
                whose.insert(name.clone());
            } else if DEFINING.contains(&keyword.as_str()) {
                defines.insert(name.clone());
            }
        }
        let mentions = paths::mentions(&source.text, &source.module);
        Self { shown: source.file, children, defines, mentions }
    }

    /// The names that `use` declarations introduce, and the paths that they stand for.
    fn imports(&self) -> impl Iterator<Item = (&String, &[String])> {
        self.mentions
            .iter()
            .filter_map(|mention| Some((&mention.import.as_ref()?.name, mention.path.as_slice())))
    }

    /// The paths in code outside `use` declarations.
    fn code(&self) -> impl Iterator<Item = &Mention> {
        self.mentions.iter().filter(|mention| mention.import.is_none())
    }

    /// The first segments of those paths.
    fn first_words(&self) -> BTreeSet<&str> {
        self.code().filter_map(|mention| mention.path.first()).map(String::as_str).collect()
    }

    /// The path of an import, starting with `crate`. `None` if the import is from another crate.
    fn absolute(&self, path: &[String], module: &[String]) -> Option<Vec<String>> {
        match path.first()?.as_str() {
            "crate" => Some(path.to_vec()),
            first if self.children.contains(first) => Some(joined(module, path)),
            _ => None,
        }
    }

    /// The path that code refers to, starting with `crate`. `None` if it is unknown or of another
    /// crate.
    fn meant(&self, path: &[String], module: &[String]) -> Option<Vec<String>> {
        if path.len() < 2 {
            return None;
        }
        self.absolute(path, module).or_else(|| {
            let (_, imported) = self.imports().find(|(name, _)| **name == path[0])?;
            Some(joined(&self.absolute(imported, module)?, &path[1..]))
        })
    }
}

fn joined(head: &[String], tail: &[String]) -> Vec<String> {
    [head, tail].concat()
}

/// A token as text. The contents of brackets are omitted.
fn word(token: &TokenTree) -> String {
    if matches!(token, TokenTree::Group(_)) { String::new() } else { token.to_string() }
}
