//! Local variables of the generated code.

use proc_macro2::{Ident, Span};
use quote::format_ident;

/// Returns an identifier of the generated code. Hygiene keeps it apart from the user's, whatever
/// the name.
pub(super) fn local(name: &str) -> Ident {
    format_ident!("{name}", span = Span::mixed_site())
}
