//! Ways in which a body may leave its function or wait, as far as its tokens show.
//!
//! A body that can only run to its end needs neither a closure nor an async block around it. The
//! compiler and its lints then treat the body as they do without the attribute.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::idents::is_well_known;

/// Ways out of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exits {
    /// True if a `return` or `?` may end the function before the end of the body.
    pub(super) returns_early: bool,
    /// True if the body may await something.
    pub(super) awaits: bool,
}

impl Exits {
    /// Reads the tokens of a body. Async blocks are skipped: a `return` in one leaves the block
    /// only.
    pub(super) fn of(body: TokenStream) -> Self {
        let mut exits = Self::default();
        exits.read(body);
        exits
    }

    fn read(&mut self, tokens: TokenStream) {
        let mut last = PreviousToken::Other;
        for token in tokens {
            last = match token {
                TokenTree::Ident(ident) => self.read_word(ident, &last),
                TokenTree::Punct(punct) => {
                    self.returns_early |= punct.as_char() == '?';
                    match (last, punct.as_char()) {
                        (PreviousToken::Word(word), '!') => PreviousToken::Macro(word),
                        _ => PreviousToken::Other,
                    }
                }
                TokenTree::Group(group) => {
                    match last {
                        PreviousToken::Async if group.delimiter() == Delimiter::Brace => {}
                        PreviousToken::Macro(name)
                            if !is_keyword(&name) && !is_well_known(&name) =>
                        {
                            self.assume_any();
                        }
                        _ => self.read(group.stream()),
                    }
                    PreviousToken::Other
                }
                TokenTree::Literal(_) => PreviousToken::Other,
            };
        }
    }

    fn read_word(&mut self, ident: Ident, last: &PreviousToken) -> PreviousToken {
        match ident.to_string().as_str() {
            "return" => self.returns_early = true,
            "await" => self.awaits = true,
            "async" => return PreviousToken::Async,
            "move" if matches!(last, PreviousToken::Async) => return PreviousToken::Async,
            // The body may define a macro that has the name of a well-known one.
            "macro_rules" => self.assume_any(),
            _ => {}
        }
        PreviousToken::Word(ident)
    }

    /// Assumes the worst, as of an unknown macro.
    fn assume_any(&mut self) {
        *self = Self {
            returns_early: true,
            awaits: true,
        };
    }
}

/// Tokens before the current one, as far as they decide its meaning.
enum PreviousToken {
    Word(Ident),
    /// Word and `!`.
    Macro(Ident),
    /// `async` or `async move`.
    Async,
    Other,
}

/// Returns whether a word before `!` is not a macro's name: `if !(a || b)`.
fn is_keyword(word: &Ident) -> bool {
    [
        "if", "while", "match", "return", "break", "in", "else", "move",
    ]
    .iter()
    .any(|keyword| word == keyword)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    const RUNS_TO_ITS_END: Exits = Exits {
        returns_early: false,
        awaits: false,
    };
    const ANY: Exits = Exits {
        returns_early: true,
        awaits: true,
    };

    #[test]
    fn body_without_exits_runs_to_its_end() {
        for body in [
            quote!(),
            quote!(
                let n = a.b(&[1])[0];
                if !(n > 1) && n != 2 { drop(n) } else { loop { break } }
            ),
            quote!(assert!(n > 1, "{n}"); std::println!("{}", vec![n].len()); !matches!(n, 1)),
            quote!(spawn(async move { later().await? }); async { return 1 }),
        ] {
            assert_eq!(Exits::of(body.clone()), RUNS_TO_ITS_END, "{body}");
        }
    }

    #[test]
    fn early_return_is_found() {
        let early = Exits {
            returns_early: true,
            awaits: false,
        };
        for body in [
            quote!(let n = a?; n),
            quote!(if a { return 1 } 2),
            quote!(assert!(n? > 1)),
            quote!(return !(a)),
        ] {
            assert_eq!(Exits::of(body.clone()), early, "{body}");
        }
    }

    #[test]
    fn await_is_found() {
        let awaits = Exits {
            returns_early: false,
            awaits: true,
        };
        for body in [
            quote!(a.await),
            quote!(vec![a.await]),
            quote!(async { 1 }.await),
        ] {
            assert_eq!(Exits::of(body.clone()), awaits, "{body}");
        }
        assert_eq!(Exits::of(quote!(a.await?)), ANY);
    }

    #[test]
    fn unknown_macro_counts_as_any_exit() {
        for body in [
            quote!(bail!("no")),
            quote!(tokio::join!(a, b)),
            quote!(
                macro_rules! vec {
                    () => {
                        return
                    };
                },
                vec!()
            ),
        ] {
            assert_eq!(Exits::of(body.clone()), ANY, "{body}");
        }
    }
}
