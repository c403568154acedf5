//! Ways in which a body may leave its function or wait, as far as its tokens tell.
//!
//! A body that can only run to its end needs neither a closure nor an async block around it, so
//! that the compiler and its lints see it as they see it without the attribute.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::names;

/// Ways out of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exits {
    /// True if a `return` or `?` may end the function before the end of the body.
    pub(super) early: bool,
    /// True if the body may await something.
    pub(super) awaits: bool,
}

impl Exits {
    /// Reads the tokens of a body. Those of its async blocks do not count, which are left by
    /// themselves.
    pub(super) fn of(body: TokenStream) -> Self {
        let mut exits = Self::default();
        exits.read(body);
        exits
    }

    fn read(&mut self, tokens: TokenStream) {
        let mut last = Last::Other;
        for token in tokens {
            last = match token {
                TokenTree::Ident(ident) => self.word(ident, &last),
                TokenTree::Punct(punct) => {
                    self.early |= punct.as_char() == '?';
                    match (last, punct.as_char()) {
                        (Last::Word(word), '!') => Last::Macro(word),
                        _ => Last::Other,
                    }
                }
                TokenTree::Group(group) => {
                    match last {
                        Last::Async if group.delimiter() == Delimiter::Brace => {}
                        Last::Macro(name) if !is_keyword(&name) && !names::is_well_known(&name) => {
                            self.anything()
                        }
                        _ => self.read(group.stream()),
                    }
                    Last::Other
                }
                TokenTree::Literal(_) => Last::Other,
            };
        }
    }

    fn word(&mut self, ident: Ident, last: &Last) -> Last {
        match ident.to_string().as_str() {
            "return" => self.early = true,
            "await" => self.awaits = true,
            "async" => return Last::Async,
            "move" if matches!(last, Last::Async) => return Last::Async,
            // A macro of the body's own may have the name of a well-known one.
            "macro_rules" => self.anything(),
            _ => {}
        }
        Last::Word(ident)
    }

    /// Where an unknown macro stands, there may be anything.
    fn anything(&mut self) {
        *self = Self {
            early: true,
            awaits: true,
        };
    }
}

/// The tokens read last, as far as they decide what the next one means.
enum Last {
    Word(Ident),
    /// A word and `!`.
    Macro(Ident),
    /// `async` or `async move`.
    Async,
    Other,
}

/// Returns whether a word before `!` is no macro's name: `if !(a || b)`.
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
        early: false,
        awaits: false,
    };
    const ANYTHING: Exits = Exits {
        early: true,
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
    fn body_that_may_leave_early_is_known() {
        let early = Exits {
            early: true,
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
    fn body_that_awaits_is_known() {
        let awaits = Exits {
            early: false,
            awaits: true,
        };
        for body in [
            quote!(a.await),
            quote!(vec![a.await]),
            quote!(async { 1 }.await),
        ] {
            assert_eq!(Exits::of(body.clone()), awaits, "{body}");
        }
        assert_eq!(Exits::of(quote!(a.await?)), ANYTHING);
    }

    #[test]
    fn unknown_macro_may_hide_anything() {
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
            assert_eq!(Exits::of(body.clone()), ANYTHING, "{body}");
        }
    }
}
