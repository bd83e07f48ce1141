//! Which paths a Rust source names: enough of the grammar to see every import, also inside macro calls, and no more.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One path that a source names.
#[derive(Debug, PartialEq)]
pub(crate) struct Mention {
    /// Its segments; `super` and `self` at its head are replaced by the module that they mean.
    pub(crate) path: Vec<String>,
    /// Whether a `use` declaration names it.
    pub(crate) imported: bool,
    pub(crate) line: usize,
}

/// Every path in the code of a source that ships; `module` is the source's own path, from `crate`.
pub(crate) fn mentions(source: &str, module: &[String]) -> Vec<Mention> {
    let tokens: TokenStream = source.parse().expect("a source file is made of Rust tokens");
    let mut reader = Reader { module, mentions: Vec::new() };
    reader.code(tokens);
    reader.mentions
}

struct Reader<'a> {
    module: &'a [String],
    mentions: Vec<Mention>,
}

impl Reader<'_> {
    fn code(&mut self, tokens: TokenStream) {
        let tokens = without_tests(tokens);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "use" => at = self.import(&tokens, at + 1, &[]),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let (path, after) = path(&tokens, at);
                    self.mention(path, false, line);
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

    /// Reads one use tree and returns where it ends: `a::b`, `a::{b, c::d}`, `a::*`, `a as b`.
    fn import(&mut self, tokens: &[TokenTree], at: usize, prefix: &[String]) -> usize {
        let (tail, at) = path(tokens, at);
        let whole = [prefix, &tail].concat();
        if let Some(TokenTree::Group(group)) = tokens.get(at) {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut inside = 0;
            while inside < inner.len() {
                inside = self.import(&inner, inside, &whole) + 1;
            }
        } else if let Some(last) = at.checked_sub(1).filter(|_| !whole.is_empty()) {
            self.mention(whole, true, tokens[last].span().start().line);
        }
        at + tokens[at..].iter().take_while(|token| !is_mark(token, ',') && !is_mark(token, ';')).count()
    }

    fn mention(&mut self, path: Vec<String>, imported: bool, line: usize) {
        let relative = matches!(path[0].as_str(), "super" | "self") && (imported || path.len() > 1);
        let mut resolved = if relative { self.module.to_vec() } else { Vec::new() };
        for segment in path {
            match segment.as_str() {
                "super" if relative => drop(resolved.pop()),
                "self" if !resolved.is_empty() => {}
                _ => resolved.push(segment),
            }
        }
        self.mentions.push(Mention { path: resolved, imported, line });
    }
}

/// The words joined by `::` from `at`, and where they end; a `::` at either end is passed over.
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

/// Leaves out every item under `#[cfg(test)]`, or under a condition that needs `test`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
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

/// `[cfg(test)]`, `[cfg(all(test, …))]`
fn is_test_attribute(token: &TokenTree) -> bool {
    let text = token.to_string().replace(' ', "");
    text.starts_with("[cfg(test)") || text.starts_with("[cfg(all(test,")
}

fn is_mark(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == wanted)
}
