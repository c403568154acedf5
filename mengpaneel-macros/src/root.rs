//! The name under which the annotated crate depends on `mengpaneel`.
//!
//! Read anew for each attribute: in rust-analyzer one process expands the macros of many crates,
//! and their manifests change while it runs.

use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;
use toml::{Table, Value};

const NAME: &str = "mengpaneel";

/// The path that the expansion begins with.
pub(crate) fn path(given: Option<&syn::Path>) -> TokenStream {
    if let Some(given) = given {
        return quote!(#given);
    }
    let name = Ident::new(&name(), Span::mixed_site());
    quote!(::#name)
}

/// The name of the dependency, as an identifier.
fn name() -> String {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|directory| renamed(&PathBuf::from(directory)))
        .unwrap_or_else(|| NAME.to_owned())
}

/// The new name of the dependency in the crate of this directory, if it has one.
fn renamed(directory: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let workspace = assigns(&manifest, "workspace", "true")
        .then(|| directory.ancestors().find_map(workspace_manifest))
        .flatten();
    // Parsing takes longer than the rest of an expansion, and most manifests rename nothing.
    if !may_rename(&manifest) && !workspace.as_deref().is_some_and(may_rename) {
        return None;
    }
    renamed_in(&manifest.parse().ok()?, || workspace?.parse().ok())
}

/// Returns whether a manifest gives a dependency of another name our package.
fn may_rename(manifest: &str) -> bool {
    assigns(manifest, "package", NAME)
}

/// Returns whether `key = value` stands in a line, with or without quotes. In macros, which are
/// compiled without optimisation, splitting at a character is several times faster than a search
/// for a word.
fn assigns(manifest: &str, key: &str, value: &str) -> bool {
    let around = ['"', '\'', ' ', '\t'];
    manifest.lines().any(|line| {
        let mut is_key = false;
        line.split('=').any(|part| {
            let found = is_key && part.trim_start_matches(around).starts_with(value);
            is_key = part.trim_end_matches(around).ends_with(key);
            found
        })
    })
}

fn workspace_manifest(directory: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let is_table = |line: &str| {
        line.trim_start_matches(['[', ' ', '\t'])
            .starts_with("workspace")
    };
    manifest.lines().any(is_table).then_some(manifest)
}

/// The key of the dependency on our package, unless one has its own name.
fn renamed_in(manifest: &Table, workspace: impl FnOnce() -> Option<Table>) -> Option<String> {
    let tables = dependencies(manifest);
    let package = |key: &str, value: &Value| {
        value
            .get("package")
            .map_or(key, |name| name.as_str().unwrap_or(key))
            == NAME
    };
    let inherits = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let all = || tables.iter().flat_map(|table| table.iter());
    let is_own =
        |(key, value): (&String, &Value)| key == NAME && !inherits(value) && package(key, value);
    if all().any(is_own) {
        return None;
    }
    let own = all()
        .find(|(key, value)| !inherits(value) && package(key, value))
        .map(|(key, _)| key.clone());
    let inherited = || {
        let workspace = workspace()?;
        let shared = workspace
            .get("workspace")?
            .get("dependencies")?
            .as_table()?;
        let is_ours = |key: &str| shared.get(key).is_some_and(|value| package(key, value));
        all()
            .find(|(key, value)| inherits(value) && is_ours(key))
            .map(|(key, _)| key.clone())
    };
    let key = own.or_else(inherited)?;
    Some(key.replace('-', "_"))
}

/// All tables of dependencies: of the crate, its tests and its build script, for any target.
fn dependencies(manifest: &Table) -> Vec<&Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let owners = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table),
    );
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    owners
        .flat_map(|owner| kinds.iter().filter_map(|kind| owner.get(*kind)?.as_table()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed_by(manifest: &str, workspace: &str) -> Option<String> {
        renamed_in(&manifest.parse().unwrap(), || workspace.parse().ok())
    }

    #[test]
    fn dependency_is_found_under_its_new_name() {
        for (manifest, name) in [
            (
                "[dependencies]\nmp-js = { package = \"mengpaneel\", path = \"..\" }",
                "mp_js",
            ),
            ("[dependencies]\nmp = { package = 'mengpaneel' }", "mp"),
            (
                "[dependencies]\nmp = { # ours\n  version = \"1\",\n  package = \"mengpaneel\",\n}",
                "mp",
            ),
            (
                "[dependencies.mp]\nversion = \"1\" # the newest\npackage = \"mengpaneel\" # ours",
                "mp",
            ),
            ("[dev-dependencies]\nmp.package = \"mengpaneel\"", "mp"),
            ("dependencies.mp.package = \"mengpaneel\"", "mp"),
            ("[dependencies]\n\"mp\" . package = \"mengpaneel\"", "mp"),
            (
                "[target.'cfg(unix)'.dependencies]\nmp = { package = \"mengpaneel\" }",
                "mp",
            ),
            (
                "[build-dependencies]\nmp = { package = \"\"\"mengpaneel\"\"\" }",
                "mp",
            ),
        ] {
            assert_eq!(
                renamed_by(manifest, "").as_deref(),
                Some(name),
                "{manifest}"
            );
        }
    }

    #[test]
    fn dependency_is_found_where_the_workspace_renames_it() {
        let workspace = "[workspace]\n[workspace.dependencies]\nmp = { version = \"1\", package = 'mengpaneel' }";
        for manifest in [
            "[dependencies]\nmp.workspace = true",
            "[dependencies]\nmp = { workspace = true, features = [] }",
            "[dependencies.mp]\nworkspace = true",
            "[dev-dependencies]\nmp = {\n  workspace = true,\n}",
        ] {
            assert_eq!(
                renamed_by(manifest, workspace).as_deref(),
                Some("mp"),
                "{manifest}"
            );
        }
        assert_eq!(
            renamed_by("[dependencies]\nother.workspace = true", workspace),
            None
        );
    }

    #[test]
    fn dependency_under_its_own_name_is_not_renamed() {
        for manifest in [
            "[package]\nname = \"mengpaneel\"\n[dependencies]\nmengpaneel = \"1\"",
            "[dependencies]\nmengpaneel.workspace = true",
            "[dependencies]\nmengpaneel = \"1\"\n[dev-dependencies]\nmp = { package = \"mengpaneel\" }",
            "# mp = { package = \"mengpaneel\" }",
            "[package]\ndescription = \"mp = { package = 'mengpaneel' }\"",
            "[package.metadata.dependencies]\nmp = { package = \"mengpaneel\" }",
        ] {
            let workspace = "[workspace.dependencies]\nmengpaneel = \"1\"";
            assert!(
                renamed_by(manifest, workspace).is_none_or(|name| name == NAME),
                "{manifest}"
            );
        }
    }

    #[test]
    fn each_crate_is_read_by_itself() {
        let directory =
            std::env::temp_dir().join(format!("mengpaneel-root-{}", std::process::id()));
        let write = |name: &str, manifest: &str| {
            let of_crate = directory.join(name);
            std::fs::create_dir_all(&of_crate).unwrap();
            std::fs::write(of_crate.join("Cargo.toml"), manifest).unwrap();
            of_crate
        };
        let first = write("first", "[dependencies]\nmp = { package = \"mengpaneel\" }");
        let second = write("second", "[dependencies]\nmengpaneel = \"1\"");
        assert_eq!(renamed(&first).as_deref(), Some("mp"));
        assert_eq!(renamed(&second), None);
        write(
            "first",
            "[dependencies]\nother = { package = \"mengpaneel\" }",
        );
        assert_eq!(renamed(&first).as_deref(), Some("other"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
