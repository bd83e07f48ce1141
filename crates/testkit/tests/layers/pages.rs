//! The documentation's pages: each link leads to a file and a heading that exist, and each source
//! file that a page names exists.

use std::path::{Path, PathBuf};

use crate::workspace::{children, read, root};

/// The folders whose files a page names from the root.
const FOLDERS: [&str; 8] =
    ["bench/", "crates/", "docs/", "fuzz/", "packaging/", "scripts/", "tests/", "web/"];

/// Words in a recipe that stand for names of the reader's choice.
const PLACEHOLDERS: [&str; 3] = ["NAME", "NNNN", "THING"];

struct Page {
    /// Its path from the root.
    file: PathBuf,
    text: String,
}

impl Page {
    fn read(file: &Path) -> Self {
        Self { file: file.strip_prefix(root()).unwrap_or(file).to_owned(), text: read(file) }
    }

    /// The lines outside fenced blocks.
    fn prose(&self) -> Vec<&str> {
        let mut fenced = false;
        let outside = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        };
        self.text.lines().filter(outside).collect()
    }

    /// The targets of the page's links and pictures inside the repository.
    fn links(&self) -> Vec<&str> {
        let lines = self.prose().into_iter();
        let found = lines.flat_map(|line| {
            let links = [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')];
            links.into_iter().flat_map(move |(start, end)| {
                line.split(start).skip(1).filter_map(move |rest| Some(rest.split_once(end)?.0))
            })
        });
        found.filter(|link| !link.contains("://")).collect()
    }

    /// The source files and folders that the page names between backticks.
    fn named(&self) -> Vec<&str> {
        let spans = self.prose().into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        spans
            .filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)))
            .filter(|span| !PLACEHOLDERS.iter().any(|placeholder| span.contains(placeholder)))
            .filter(|span| !span.contains([' ', '*', '…', '{', '<']))
            .collect()
    }

    /// Returns whether a link leads to a file, and to a heading of it where it names one.
    fn leads(&self, link: &str) -> bool {
        let (path, heading) = link.split_once('#').map_or((link, None), |(path, it)| (path, Some(it)));
        let here = root().join(&self.file);
        let target = if path.is_empty() { here } else { here.with_file_name("").join(path) };
        let has_heading = |heading| Self::read(&target).anchors().iter().any(|anchor| anchor == heading);
        target.exists() && heading.is_none_or(has_heading)
    }

    fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }
}

/// The anchor that a forge gives to a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    letters.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn pages() -> Vec<Page> {
    let mut folders = vec![root().to_owned()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in children(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !matches!(&*name, "target" | "node_modules" | "dist" | ".git") {
                folders.push(path);
            } else if name.ends_with(".md") {
                pages.push(Page::read(&path));
            }
        }
    }
    pages
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_exist() {
    let pages = pages();
    let links: Vec<_> =
        pages.iter().flat_map(|page| page.links().into_iter().map(move |link| (page, link))).collect();
    assert!(links.len() > 100, "{} links in {} pages were found", links.len(), pages.len());
    let dead = links.iter().filter(|(page, link)| !page.leads(link));
    let dead: Vec<_> = dead.map(|(page, link)| format!("{}: {link}", page.file.display())).collect();
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_source_file_that_a_page_names_exists() {
    // The changelog names files as they were.
    let pages = pages().into_iter().filter(|page| page.file != Path::new("CHANGELOG.md"));
    let missing = pages.flat_map(|page| {
        let gone = page.named().into_iter().filter(|path| !root().join(path).exists());
        gone.map(|path| format!("{}: {path}", page.file.display())).collect::<Vec<_>>()
    });
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn an_anchor_is_what_a_forge_makes_of_a_heading() {
    assert_eq!(anchor("Another machine in a device's place"), "another-machine-in-a-devices-place");
    assert_eq!(anchor("`[relay]`: ports"), "relay-ports");
}
