//! Rules for the English of comments: how a doc paragraph begins, words to avoid, the width of a
//! line.
//!
//! A doc paragraph begins with a noun phrase or a third-person verb. Code between backticks and
//! fenced blocks are exempt from the rules on words.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};

use crate::workspace;

/// The folders beside `crates/` that follow the rules, as every crate does.
const BESIDE: &[&str] = &["bench", "fuzz/fuzz_targets"];

const WIDTH: usize = 100;

/// Words that make a paragraph begin with a free relative clause, or with a subject that names no
/// actor.
const FIRST: &[&str] = &[
    "Anybody",
    "How",
    "Nobody",
    "None",
    "Nothing",
    "Of",
    "One",
    "So",
    "Somebody",
    "Someone",
    "What",
    "Whatever",
    "When",
    "Where",
    "Wherever",
    "Whether",
    "Whichever",
    "Who",
    "Whoever",
    "Whom",
    "Whose",
    "Why",
];

/// Words and phrases that a reader would stumble over, in small letters.
const AVOIDED: &[&str] = &[
    "anew",
    "by itself",
    "by themselves",
    "come to nothing",
    "comes to nothing",
    "good for",
    "hand",
    "hands",
    "house",
    "kept",
    "misses",
    "nobody",
    "none of",
    "of before",
    "somebody",
    "whoever",
    "whomever",
];

#[test]
fn comments_follow_the_rules_of_english() {
    let mut broken = Vec::new();
    let crates = workspace::crates().into_iter().map(|krate| format!("crates/{}", krate.name));
    for place in crates.chain(BESIDE.iter().copied().map(str::to_owned)) {
        let sources = workspace::files(&place);
        assert!(!sources.is_empty(), "{place} has no sources");
        for source in sources {
            let found = broken_rules(&source.text);
            broken.extend(found.into_iter().map(|(line, rule)| format!("{}:{line}: {rule}", source.file)));
        }
    }
    assert!(broken.is_empty(), "{} comments break a rule:\n{}", broken.len(), broken.join("\n"));
}

/// The broken rules of one source, each with its line.
fn broken_rules(source: &str) -> Vec<(usize, String)> {
    let comments = comments(source);
    let wide = comments.iter().filter(|comment| comment.columns > WIDTH).map(|comment| {
        (comment.line, format!("the comment ends in column {}; at most {WIDTH}", comment.columns))
    });
    let worded = paragraphs(&comments).into_iter().flat_map(|paragraph| {
        let first = FIRST.iter().find(|word| paragraph.is_doc && first_word(&paragraph.text) == **word);
        let first = first.map(|word| format!("a doc paragraph begins with {word:?}"));
        let words = AVOIDED.iter().filter(|words| contains(&paragraph.text, words));
        let words = words.map(|words| format!("the comment says {words:?}"));
        first.into_iter().chain(words).map(|rule| (paragraph.line, rule)).collect::<Vec<_>>()
    });
    let mut broken: Vec<_> = wide.chain(worded).collect();
    broken.sort();
    broken
}

/// The text of a comment in one line of a source.
struct Comment<'a> {
    line: usize,
    /// The columns of the whole line.
    columns: usize,
    /// `///`, `//!` or `//`.
    mark: &'a str,
    text: &'a str,
}

struct Paragraph {
    line: usize,
    is_doc: bool,
    /// Its lines joined, without code between backticks.
    text: String,
}

fn comments(source: &str) -> Vec<Comment<'_>> {
    let tokens: TokenStream = source.parse().expect("a source file is made of Rust tokens");
    let mut code = BTreeMap::new();
    measure(tokens, &mut code);
    let lines = source.lines().enumerate().map(|(index, text)| (index + 1, text));
    lines.filter_map(|(line, text)| comment(line, text, code.get(&line).copied())).collect()
}

/// The comment behind the code of a line, which ends in column `code`.
fn comment(line: usize, text: &str, code: Option<usize>) -> Option<Comment<'_>> {
    let start = text.char_indices().nth(code.unwrap_or(0)).map_or(text.len(), |(at, _)| at);
    let rest = text[start..].trim_start();
    let mark = ["///", "//!", "//"].into_iter().find(|mark| rest.starts_with(mark))?;
    Some(Comment { line, columns: text.chars().count(), mark, text: rest[mark.len()..].trim() })
}

/// Notes the column in which the code of each line ends. Doc comments are no code.
fn measure(tokens: TokenStream, ends: &mut BTreeMap<usize, usize>) {
    for token in tokens {
        let span = token.span();
        let (first, last) = (span.start().line, span.end().line);
        match token {
            TokenTree::Group(group) => {
                let delimiters = [group.span_open().end(), group.span_close().end()];
                // The brackets of a doc comment have its span.
                if span.source_text().is_none_or(|text| !text.starts_with("//")) {
                    delimiters.iter().for_each(|end| note(ends, end.line, end.column));
                    measure(group.stream(), ends);
                }
            }
            _ if span.source_text().is_some_and(|text| text.starts_with("//")) => {}
            _ => {
                (first..last).for_each(|line| note(ends, line, usize::MAX));
                note(ends, last, span.end().column);
            }
        }
    }
}

fn note(ends: &mut BTreeMap<usize, usize>, line: usize, column: usize) {
    let end = ends.entry(line).or_default();
    *end = (*end).max(column);
}

/// The paragraphs of comments: lines below each other with the same mark, up to an empty line or a
/// list item.
fn paragraphs(comments: &[Comment<'_>]) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let (mut in_fence, mut open) = (false, None);
    for comment in comments {
        let Comment { line, mark, text, .. } = *comment;
        let continues = open == Some((line - 1, mark));
        open = None;
        if text.starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence && !text.is_empty() {
            let item = item(text);
            match paragraphs.last_mut() {
                Some(paragraph) if continues && item.is_none() => {
                    paragraph.text.push(' ');
                    paragraph.text.push_str(text);
                }
                _ => {
                    let text = item.unwrap_or(text).to_owned();
                    paragraphs.push(Paragraph { line, is_doc: mark != "//", text });
                }
            }
            open = Some((line, mark));
        }
    }
    for paragraph in &mut paragraphs {
        // A placeholder for each piece of code, so that it still counts as a word.
        let parts: Vec<_> = paragraph.text.split('`').step_by(2).collect();
        paragraph.text = parts.join("0");
    }
    paragraphs
}

/// The text of a list item, or the row of a table.
fn item(text: &str) -> Option<&str> {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    ["* ", "- ", "|"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
        .or_else(|| number.strip_prefix(". ").filter(|_| number != text))
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// Tells whether `text` contains `words` as words of their own, in letters of any case.
fn contains(text: &str, words: &str) -> bool {
    let text = text.to_lowercase();
    let all: Vec<_> = text.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let wanted: Vec<_> = words.split(' ').collect();
    all.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::broken_rules as rules;

    #[test]
    fn a_doc_paragraph_that_begins_with_a_free_relative_is_named_with_its_line() {
        let begins = |word: &str| format!("a doc paragraph begins with {word:?}");
        assert_eq!(rules("/// What it is.\nfn f() {}"), [(1, begins("What"))]);
        assert_eq!(rules("//! A file.\n//!\n//! Whether it is one.\n"), [(3, begins("Whether"))]);
        assert_eq!(rules("//! * One of them.\n//! * Two.\n//!   What follows.\n"), [(1, begins("One"))]);
        assert_eq!(rules("/// A line.\n/// What follows it.\nfn f() {}"), []);
        assert_eq!(rules("/// `None` is allowed.\nfn f() {}\n// What is no doc comment.\n"), []);
        assert_eq!(rules("/// ```text\n/// What a diagram says.\n/// ```\nfn f() {}"), []);
    }

    #[test]
    fn an_avoided_word_is_found_across_lines_and_not_inside_others_or_in_code() {
        let says = |words: &str| format!("the comment says {words:?}");
        assert_eq!(rules("fn f() {}\n// Ends by\n// itself.\n"), [(2, says("by itself"))]);
        assert_eq!(rules("fn f() {} // Kept.\n"), [(1, says("kept"))]);
        assert_eq!(rules("/// A handshake, `kept` in `misses`.\nfn f() {}"), []);
    }

    #[test]
    fn a_wide_comment_is_found_also_behind_code_and_a_wide_line_of_code_is_not() {
        let long = "é".repeat(90);
        assert_eq!(rules(&format!("// {long}\nfn f() {{}}")), []);
        let wide = |columns| format!("the comment ends in column {columns}; at most 100");
        assert_eq!(rules(&format!("/// A {long} word.\nfn f() {{}}")), [(1, wide(102))]);
        assert_eq!(rules(&format!("fn some() {{}} // {long}")), [(1, wide(106))]);
        assert_eq!(rules(&format!("const A: &str = \"http://{long}{long}\";")), []);
        assert_eq!(rules(&format!("const A: &str = \"\n// {long}{long}\n// kept\";")), []);
    }
}
