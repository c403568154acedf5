//! Name by which the annotated crate depends on `mengpaneel`.
//!
//! Each attribute reads the manifest again: in rust-analyzer one process expands the macros of many
//! crates, and their manifests change while the process runs.

use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;
use toml::{Table, Value};

const PACKAGE: &str = "mengpaneel";

/// Returns the path of the crate `mengpaneel`: the one of the option `crate(…)`, or the name of the
/// dependency.
pub(crate) fn path(explicit: Option<&syn::Path>) -> TokenStream {
    if let Some(explicit) = explicit {
        return quote!(#explicit);
    }
    let name = Ident::new(&dependency_name(), Span::mixed_site());
    quote!(::#name)
}

/// Returns the name of the dependency, as an identifier.
fn dependency_name() -> String {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|directory| new_name(&PathBuf::from(directory)))
        .unwrap_or_else(|| PACKAGE.to_owned())
}

/// Returns the new name of the dependency if the crate in this directory renames it.
fn new_name(directory: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let workspace = assigns(&manifest, "workspace", "true")
        .then(|| directory.ancestors().find_map(workspace_manifest))
        .flatten();
    // Parsing takes longer than the rest of an expansion, and most manifests rename nothing.
    if !may_rename(&manifest) && !workspace.as_deref().is_some_and(may_rename) {
        return None;
    }
    new_name_in(&manifest.parse().ok()?, || workspace?.parse().ok())
}

/// Returns whether a manifest may rename a dependency on this package.
fn may_rename(manifest: &str) -> bool {
    assigns(manifest, "package", PACKAGE)
}

/// Returns whether a line contains `key = value`, with or without quotes.
///
/// Splitting at a character is several times faster here than a search for a word, since macros are
/// compiled without optimisation.
fn assigns(manifest: &str, key: &str, value: &str) -> bool {
    let quotes = ['"', '\'', ' ', '\t'];
    manifest.lines().any(|line| {
        let mut is_key = false;
        line.split('=').any(|part| {
            let found = is_key && part.trim_start_matches(quotes).starts_with(value);
            is_key = part.trim_end_matches(quotes).ends_with(key);
            found
        })
    })
}

/// Returns the manifest of a directory if it defines a workspace.
fn workspace_manifest(directory: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let is_table = |line: &str| {
        line.trim_start_matches(['[', ' ', '\t'])
            .starts_with("workspace")
    };
    manifest.lines().any(is_table).then_some(manifest)
}

/// Returns the key of the dependency on this package, unless a dependency keeps the package's name.
fn new_name_in(manifest: &Table, workspace: impl FnOnce() -> Option<Table>) -> Option<String> {
    let tables = dependencies(manifest);
    let is_package = |key: &str, value: &Value| {
        value
            .get("package")
            .map_or(key, |name| name.as_str().unwrap_or(key))
            == PACKAGE
    };
    let inherits = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let all = || tables.iter().flat_map(|table| table.iter());
    let keeps_name = |(key, value): (&String, &Value)| {
        key == PACKAGE && !inherits(value) && is_package(key, value)
    };
    if all().any(keeps_name) {
        return None;
    }
    let direct = all()
        .find(|(key, value)| !inherits(value) && is_package(key, value))
        .map(|(key, _)| key.clone());
    let inherited = || {
        let workspace = workspace()?;
        let shared = workspace
            .get("workspace")?
            .get("dependencies")?
            .as_table()?;
        let is_package_in_workspace =
            |key: &str| shared.get(key).is_some_and(|value| is_package(key, value));
        all()
            .find(|(key, value)| inherits(value) && is_package_in_workspace(key))
            .map(|(key, _)| key.clone())
    };
    let key = direct.or_else(inherited)?;
    Some(key.replace('-', "_"))
}

/// Returns all tables of dependencies: normal, for tests, and for the build script, of any target.
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

    fn new_name_by(manifest: &str, workspace: &str) -> Option<String> {
        new_name_in(&manifest.parse().unwrap(), || workspace.parse().ok())
    }

    #[test]
    fn renamed_dependency_is_found() {
        for (manifest, name) in [
            (
                "[dependencies]\nmp-js = { package = \"mengpaneel\", path = \"..\" }",
                "mp_js",
            ),
            ("[dependencies]\nmp = { package = 'mengpaneel' }", "mp"),
            (
                "[dependencies]\nmp = { # comment\n  version = \"1\",\n  package = \"mengpaneel\",\n}",
                "mp",
            ),
            (
                "[dependencies.mp]\nversion = \"1\" # the newest\npackage = \"mengpaneel\" # comment",
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
                new_name_by(manifest, "").as_deref(),
                Some(name),
                "{manifest}"
            );
        }
    }

    #[test]
    fn dependency_renamed_by_the_workspace_is_found() {
        let workspace = "[workspace]\n[workspace.dependencies]\nmp = { version = \"1\", package = 'mengpaneel' }";
        for manifest in [
            "[dependencies]\nmp.workspace = true",
            "[dependencies]\nmp = { workspace = true, features = [] }",
            "[dependencies.mp]\nworkspace = true",
            "[dev-dependencies]\nmp = {\n  workspace = true,\n}",
        ] {
            assert_eq!(
                new_name_by(manifest, workspace).as_deref(),
                Some("mp"),
                "{manifest}"
            );
        }
        assert_eq!(
            new_name_by("[dependencies]\nother.workspace = true", workspace),
            None
        );
    }

    #[test]
    fn dependency_that_keeps_its_name_is_not_renamed() {
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
                new_name_by(manifest, workspace).is_none_or(|name| name == PACKAGE),
                "{manifest}"
            );
        }
    }

    #[test]
    fn manifest_is_read_again_for_each_crate() {
        let directory =
            std::env::temp_dir().join(format!("mengpaneel-root-{}", std::process::id()));
        let write = |name: &str, manifest: &str| {
            let crate_directory = directory.join(name);
            std::fs::create_dir_all(&crate_directory).unwrap();
            std::fs::write(crate_directory.join("Cargo.toml"), manifest).unwrap();
            crate_directory
        };
        let first = write("first", "[dependencies]\nmp = { package = \"mengpaneel\" }");
        let second = write("second", "[dependencies]\nmengpaneel = \"1\"");
        assert_eq!(new_name(&first).as_deref(), Some("mp"));
        assert_eq!(new_name(&second), None);
        write(
            "first",
            "[dependencies]\nother = { package = \"mengpaneel\" }",
        );
        assert_eq!(new_name(&first).as_deref(), Some("other"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
