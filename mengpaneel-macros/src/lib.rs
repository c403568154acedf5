//! The attribute macros of `mengpaneel`, which re-exports them: depend on that crate.
//!
//! `args` reads what an attribute says, `capture` finds where in the body the values come to be,
//! `expand` writes the function, `route` looks at what stands beside.

mod args;
mod capture;
mod expand;
mod function;
mod names;
mod root;
mod route;

use proc_macro::TokenStream;

use crate::args::Mode;

#[allow(missing_docs, reason = "the documentation stands at the re-export, where its examples run")]
#[proc_macro_attribute]
pub fn track(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Track, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "the documentation stands at the re-export, where its examples run")]
#[proc_macro_attribute]
pub fn setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Setup, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "the documentation stands at the re-export, where its examples run")]
#[proc_macro_attribute]
pub fn before_setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::BeforeSetup, args.into(), item.into()).into()
}

#[allow(missing_docs, reason = "the documentation stands at the re-export, where its examples run")]
#[proc_macro_attribute]
pub fn tracking(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Tracking, args.into(), item.into()).into()
}
