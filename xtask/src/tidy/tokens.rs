//! The tokens of a Rust source, without comments and attributes.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The tokens of a source.
#[derive(Default)]
pub(super) struct Tokens {
    /// Names and punctuation; `::` is one word.
    pub(super) words: Vec<String>,
    /// The texts of string literals with their lines. Escapes are kept.
    pub(super) strings: Vec<(usize, String)>,
}

impl Tokens {
    /// Parses a source; empty if it is not Rust, which the compiler reports.
    pub(super) fn parse(text: &str) -> Self {
        let mut tokens = Self::default();
        tokens.add(text.parse().unwrap_or_default());
        tokens
    }

    fn add(&mut self, stream: TokenStream) {
        let (mut is_attribute, mut is_half_path) = (false, false);
        for token in stream {
            let follows_hash = std::mem::take(&mut is_attribute);
            let ends_path = std::mem::take(&mut is_half_path);
            match token {
                // Documentation is an attribute, too.
                TokenTree::Group(_) if follows_hash => {}
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.words.push(open.to_owned());
                    self.add(group.stream());
                    self.words.push(close.to_owned());
                }
                TokenTree::Ident(name) => self.words.push(name.to_string()),
                TokenTree::Punct(punct) => {
                    let symbol = punct.as_char();
                    is_attribute = symbol == '#' || (symbol == '!' && follows_hash);
                    match self.words.last_mut() {
                        Some(colon) if ends_path && symbol == ':' => colon.push(symbol),
                        _ => {
                            is_half_path = symbol == ':' && punct.spacing() == Spacing::Joint;
                            self.words.push(symbol.to_string());
                        }
                    }
                }
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let text = literal.to_string();
                    let inner = text
                        .split_once('"')
                        .and_then(|(_, rest)| rest.rsplit_once('"'));
                    let inner = inner.map(|(inner, _)| (line, inner.to_owned()));
                    self.strings.extend(inner);
                }
            }
        }
    }
}
