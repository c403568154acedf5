//! Where the `mengpaneel` crate is: under the name that the dependency has in `Cargo.toml`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

const NAME: &str = "mengpaneel";

/// The path that the expansion begins with.
pub(crate) fn path(said: Option<&syn::Path>) -> TokenStream {
    if let Some(said) = said {
        return quote!(#said);
    }
    let name = Ident::new(renamed(), Span::mixed_site());
    quote!(::#name)
}

/// The name of the dependency, read once for each crate that is compiled.
pub(crate) fn renamed() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| read().unwrap_or_else(|| NAME.to_owned()))
}

fn read() -> Option<String> {
    let directory = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    // Inherited dependencies are renamed where the workspace declares them.
    let workspace = || directory.ancestors().skip(1).find_map(workspace_manifest);
    alias(&manifest).or_else(|| alias(&workspace()?).filter(|alias| inherits(&manifest, alias)))
}

fn workspace_manifest(directory: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    manifest.contains("[workspace").then_some(manifest)
}

/// The key under which a manifest depends on `package = "mengpaneel"`, as an identifier.
fn alias(manifest: &str) -> Option<String> {
    let mut table = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').trim();
        }
        if !table.contains("dependencies") || !names_package(line) {
            continue;
        }
        let key =
            if line.starts_with("package") { table.rsplit('.').next()? } else { line.split(['=', '.']).next()? };
        return Some(key.trim().trim_matches('"').replace('-', "_"));
    }
    None
}

/// Whether a line says `package = "mengpaneel"`, as a table's entry or an inline table's.
fn names_package(line: &str) -> bool {
    let squeezed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    !squeezed.starts_with('#') && squeezed.contains(&format!("package=\"{NAME}\""))
}

fn inherits(manifest: &str, alias: &str) -> bool {
    let squeezed: String = manifest.replace('-', "_").chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.contains(&format!("{alias}={{workspace=true")) || squeezed.contains(&format!("{alias}.workspace=true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_dependency_is_found_under_its_new_name() {
        let inline = "[dependencies]\nmp-js = { package = \"mengpaneel\", path = \"..\" }";
        let table = "[dependencies.mp]\nversion = \"1\"\npackage = \"mengpaneel\"";
        let key = "[dev-dependencies]\nmp.package = \"mengpaneel\"";
        assert_eq!(alias(inline).as_deref(), Some("mp_js"));
        assert_eq!(alias(table).as_deref(), Some("mp"));
        assert_eq!(alias(key).as_deref(), Some("mp"));
    }

    #[test]
    fn under_its_own_name_there_is_no_alias() {
        assert_eq!(alias("[package]\nname = \"mengpaneel\"\n[dependencies]\nmengpaneel = \"1\""), None);
    }
}
