//! Attribute macros of `mengpaneel`, which re-exports them: depend on that crate.
//!
//! | module | contents |
//! | --- | --- |
//! | `expand` | generated code of an annotated function |
//! | `capture` | insertion of statements that capture values, where a body binds their names |
//! | `function` | annotated function: signature, attributes and body |
//! | `siblings` | other attributes of this crate on the function |
//! | `route` | route attributes of Actix on the function |
//! | `root` | name by which the annotated crate depends on `mengpaneel` |
//! | `args` | grammar of an attribute |
//! | `idents` | free names of expressions, and names that patterns bind |
//! | `precedence` | parentheses around fragments of `macro_rules!` |
//!
//! A module uses only modules below it.

mod args;
mod capture;
mod expand;
mod function;
mod idents;
mod precedence;
mod root;
mod route;
mod siblings;

use proc_macro::TokenStream;

use crate::args::Mode;

#[allow(
    missing_docs,
    reason = "documented at the re-export, where the examples run"
)]
#[proc_macro_attribute]
pub fn track(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Track, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "documented at the re-export, where the examples run"
)]
#[proc_macro_attribute]
pub fn setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Setup, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "documented at the re-export, where the examples run"
)]
#[proc_macro_attribute]
pub fn before_setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::BeforeSetup, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "documented at the re-export, where the examples run"
)]
#[proc_macro_attribute]
pub fn tracking(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Tracking, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "holds deferred attributes; not for use by hand"
)]
#[proc_macro_attribute]
pub fn attributes(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::deferred(args.into(), &item.into()).into()
}
