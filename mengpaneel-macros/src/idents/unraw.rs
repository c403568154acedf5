//! Names of identifiers without `r#`.

use proc_macro2::Ident;
use syn::ext::IdentExt;

/// Returns the name of an identifier: `type` for both `r#type` and `type`.
pub(crate) fn unraw_name(ident: &Ident) -> String {
    ident.unraw().to_string()
}
