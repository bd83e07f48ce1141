//! The paths that a Rust source names. It parses just enough of the grammar to find every import,
//! also inside macro calls.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A path that a source names.
#[derive(Debug, PartialEq)]
pub(crate) struct Mention {
    /// Its segments, with a leading `super` or `self` resolved.
    pub(crate) path: Vec<String>,
    /// The `use` declaration that contains the path. `None` for a path in other code.
    pub(crate) import: Option<Import>,
    pub(crate) line: usize,
}

/// A name that a `use` declaration introduces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    /// The local name; `*` for every name of a module.
    pub(crate) name: String,
    /// True if other files can import it from here.
    pub(crate) exported: bool,
}

/// Returns every path in a source's code outside tests. `module` is the source's own path, starting
/// with `crate`.
pub(crate) fn mentions(source: &str, module: &[String]) -> Vec<Mention> {
    let tokens: TokenStream = source.parse().expect("a source file is made of Rust tokens");
    let mut reader = Reader { module: module.to_vec(), mentions: Vec::new() };
    reader.code(tokens);
    reader.mentions
}

struct Reader {
    /// The module of the code that is being read: the file's, or one inside it.
    module: Vec<String>,
    mentions: Vec<Mention>,
}

impl Reader {
    fn code(&mut self, tokens: TokenStream) {
        let tokens = without_tests(tokens);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "use" => {
                    let exported = is_public(&tokens[..at]);
                    at = self.import(&tokens, at + 1, &[], exported);
                }
                TokenTree::Ident(word) if word == "mod" => at = self.inner_module(&tokens, at),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let (path, after) = path(&tokens, at);
                    if path.len() > 1 || !follows_a_dot(&tokens[..at]) {
                        self.mention(path, None, line);
                    }
                    at = after;
                }
                TokenTree::Group(group) => {
                    self.code(group.stream());
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Reads `mod name;` or `mod name { … }`. Returns its end.
    fn inner_module(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        if let [TokenTree::Ident(name), TokenTree::Group(body), ..] = &tokens[at + 1..] {
            self.module.push(name.to_string());
            self.code(body.stream());
            self.module.pop();
        }
        (at + 3).min(tokens.len())
    }

    /// Reads one use tree (`a::b`, `a::{b, c::d}`, `a::*`, `a as b`). Returns its end.
    fn import(&mut self, tokens: &[TokenTree], at: usize, prefix: &[String], exported: bool) -> usize {
        let (tail, at) = path(tokens, at);
        let whole = [prefix, &tail].concat();
        if let Some(TokenTree::Group(group)) = tokens.get(at) {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut inside = 0;
            while inside < inner.len() {
                inside = self.import(&inner, inside, &whole, exported) + 1;
            }
        } else if let Some(last) = at.checked_sub(1).filter(|_| !whole.is_empty()) {
            let name = match &tokens[at..] {
                [TokenTree::Punct(mark), ..] if mark.as_char() == '*' => Some("*".to_owned()),
                [TokenTree::Ident(word), name, ..] if word == "as" => Some(name.to_string()),
                _ => whole.iter().rfind(|segment| *segment != "self").cloned(),
            };
            let import = Import { name: name.unwrap_or_default(), exported };
            self.mention(whole, Some(import), tokens[last].span().start().line);
        }
        at + tokens[at..].iter().take_while(|token| !is_mark(token, ',') && !is_mark(token, ';')).count()
    }

    fn mention(&mut self, path: Vec<String>, import: Option<Import>, line: usize) {
        let relative = matches!(path[0].as_str(), "super" | "self") && (import.is_some() || path.len() > 1);
        let mut resolved = if relative { self.module.clone() } else { Vec::new() };
        for segment in path {
            match segment.as_str() {
                "super" if relative => drop(resolved.pop()),
                "self" if !resolved.is_empty() => {}
                _ => resolved.push(segment),
            }
        }
        self.mentions.push(Mention { path: resolved, import, line });
    }
}

/// Returns the words joined by `::` from `at`, and their end. Skips a `::` at either end.
fn path(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut words = Vec::new();
    let mut joined = true;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) if joined => {
                words.push(word.to_string());
                joined = false;
                at += 1;
            }
            Some(TokenTree::Punct(mark)) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint => {
                joined = true;
                at += 2;
            }
            _ => return (words, at),
        }
    }
}

/// Returns whether the tokens before an item make it visible to other files.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(word), TokenTree::Group(_)] | [.., TokenTree::Ident(word)] => word == "pub",
        _ => false,
    }
}

/// Returns whether the next word is a field or a method, because it follows a dot that is not part
/// of a range.
fn follows_a_dot(before: &[TokenTree]) -> bool {
    let mut before = before.iter().rev();
    before.next().is_some_and(|token| is_mark(token, '.'))
        && !before.next().is_some_and(|token| is_mark(token, '.'))
}

/// Removes every item under `#[cfg(test)]`, or under a condition that requires `test`.
pub(crate) fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is_mark(&token, '#') && tokens.peek().is_some_and(is_test_attribute) {
            // The item ends with its `;` or its body.
            for token in tokens.by_ref() {
                if is_mark(&token, ';')
                    || matches!(&token, TokenTree::Group(body) if body.delimiter() == Delimiter::Brace)
                {
                    break;
                }
            }
        } else {
            kept.push(token);
        }
    }
    kept
}

/// Matches `[cfg(test)]` and `[cfg(all(test, …))]`.
fn is_test_attribute(token: &TokenTree) -> bool {
    let text = token.to_string().replace(' ', "");
    text.starts_with("[cfg(test)") || text.starts_with("[cfg(all(test,")
}

pub(crate) fn is_mark(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == wanted)
}
