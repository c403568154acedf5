//! The attribute macros of `mengpaneel`, which re-exports them: depend on that crate.
//!
//! `args` reads the grammar of an attribute, `names` finds the free names of its expressions,
//! `capture` the bindings of these names in the body. `expand` writes the function; `siblings` and
//! `route` read the attributes beside.

mod args;
mod capture;
mod expand;
mod function;
mod names;
mod precedence;
mod root;
mod route;
mod siblings;

use proc_macro::TokenStream;

use crate::args::Mode;

#[allow(
    missing_docs,
    reason = "the documentation stands at the re-export, where its examples run"
)]
#[proc_macro_attribute]
pub fn track(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Track, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "the documentation stands at the re-export, where its examples run"
)]
#[proc_macro_attribute]
pub fn setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Setup, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "the documentation stands at the re-export, where its examples run"
)]
#[proc_macro_attribute]
pub fn before_setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::BeforeSetup, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "the documentation stands at the re-export, where its examples run"
)]
#[proc_macro_attribute]
pub fn tracking(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Tracking, args.into(), &item.into()).into()
}

#[allow(
    missing_docs,
    reason = "attributes of ours wait in it for others; not for use by hand"
)]
#[proc_macro_attribute]
pub fn attributes(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::waiting(args.into(), &item.into()).into()
}
