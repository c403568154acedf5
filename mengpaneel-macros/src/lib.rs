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

/// Records an event when the function succeeds.
#[proc_macro_attribute]
pub fn track(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Track, args.into(), item.into()).into()
}

/// Says who is there: calls in setup mode.
#[proc_macro_attribute]
pub fn setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Setup, args.into(), item.into()).into()
}

/// Calls that run before setup.
#[proc_macro_attribute]
pub fn before_setup(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::BeforeSetup, args.into(), item.into()).into()
}

/// Calls in tracking mode.
#[proc_macro_attribute]
pub fn tracking(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Mode::Tracking, args.into(), item.into()).into()
}
