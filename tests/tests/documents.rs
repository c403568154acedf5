//! Documents and copied files, compared with the files and tests they name.

use std::fs;
use std::path::{Path, PathBuf};

fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Asserts that a file is a copy of another, and no symbolic link, which a package may leave out.
fn assert_copy(copy: &str, original: &str) {
    assert!(
        path(copy).symlink_metadata().unwrap().is_file(),
        "{copy} is no regular file"
    );
    assert!(
        read(copy) == read(original),
        "{copy} differs from {original}: copy it again"
    );
}

#[test]
fn crates_contain_the_licences() {
    for name in ["mengpaneel", "mengpaneel-macros"] {
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_copy(&format!("{name}/{licence}"), licence);
        }
    }
}

#[test]
fn crate_contains_the_script_of_the_npm_package() {
    assert_copy("mengpaneel/src/mengpaneel.js", "js/mengpaneel.js");
}

/// Returns the words in backticks that are paths of files or folders.
fn named_paths(document: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let has_path_characters = word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
        let is_source = Path::new(word)
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "js");
        has_path_characters && (is_source || word.ends_with('/'))
    };
    document.split('`').skip(1).step_by(2).filter(is_path)
}

#[test]
fn architecture_names_files_that_exist() {
    let document = read("ARCHITECTURE.md");
    let folders = [
        "mengpaneel/src",
        "mengpaneel/src/browser",
        "mengpaneel-macros/src",
        "js",
        ".",
    ];
    let exists = |name: &str| {
        folders
            .iter()
            .any(|folder| path(folder).join(name).exists())
    };
    let missing: Vec<_> = named_paths(&document)
        .filter(|name| !exists(name))
        .collect();
    assert!(named_paths(&document).count() > 30, "few names were found");
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn architecture_names_every_module() {
    let document = read("ARCHITECTURE.md");
    let modules = fs::read_dir(path("mengpaneel/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names = modules.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    for name in names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()) {
        let is_named =
            document.contains(&format!("`{name}.rs`")) || document.contains(&format!("`{name}/`"));
        assert!(is_named, "{name} is missing in ARCHITECTURE.md");
    }
}

/// Returns the targets of all links in a document.
fn links(document: &str) -> impl Iterator<Item = &str> {
    let inline = document
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let plain = document
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    inline.chain(plain.filter(|target| target.starts_with("http")))
}

/// GitHub, crates.io and docs.rs show the README, and each resolves relative links differently.
#[test]
fn readme_links_resolve_on_every_site() {
    const REPOSITORY: &str = "https://github.com/mengpaneel/mengpaneel/";
    let document = read("README.md");
    let mut in_repository = 0;
    for link in links(&document) {
        assert!(
            link.starts_with("https://") || link.starts_with("http://127.0.0.1:"),
            "the link is not absolute: {link}"
        );
        let Some(target) = link.strip_prefix(REPOSITORY) else {
            continue;
        };
        let file = target
            .strip_prefix("blob/main/")
            .or_else(|| target.strip_prefix("tree/main/"));
        let file = file.unwrap_or_else(|| panic!("no link to a file: {link}"));
        let file = file.split('#').next().unwrap_or_default();
        assert!(path(file).exists(), "no such file: {link}");
        in_repository += 1;
    }
    assert!(in_repository > 10, "few links were found");
}

#[test]
fn readme_links_every_page_of_the_guide() {
    let document = read("README.md");
    for entry in fs::read_dir(path("mengpaneel/src/guide")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "mod.rs" || document.contains(&format!("/src/guide/{name})")),
            "no link to {name}"
        );
    }
}

/// Returns the paths below a folder of the repository, without those of builds and packages.
fn all_paths(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if ["target", "node_modules", ".git"]
            .iter()
            .any(|skipped| name == *skipped)
        {
            continue;
        }
        if path.is_dir() {
            paths.extend(all_paths(&path));
        }
        paths.push(path);
    }
    paths
}

/// Returns each path in the last column of a table, with the functions that are named after it.
fn named_tests(document: &str) -> Vec<(&str, Vec<&str>)> {
    let mut named: Vec<(&str, Vec<&str>)> = Vec::new();
    let rows = document.lines().filter(|line| line.starts_with("| "));
    let columns = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    for word in columns.flat_map(|column| column.split('`').skip(1).step_by(2)) {
        if word.contains('.') && !word.contains(' ') {
            named.push((word, Vec::new()));
        } else if let (Some((_, functions)), false) = (named.last_mut(), word.contains(' ')) {
            functions.push(word);
        }
    }
    named
}

#[test]
fn tests_readme_names_tests_that_exist() {
    let document = read("tests/README.md");
    let paths = all_paths(&path("."));
    let named = named_tests(&document);
    assert!(named.len() > 80, "few names were found: {}", named.len());
    let mut missing = Vec::new();
    for (name, functions) in named {
        let files: Vec<_> = paths.iter().filter(|path| path.ends_with(name)).collect();
        if files.is_empty() {
            missing.push(name.to_owned());
            continue;
        }
        let has_function = |function: &str| {
            files.iter().any(|file| {
                let source = fs::read_to_string(file).unwrap_or_default();
                source.contains(&format!("fn {function}("))
            })
        };
        let functions = functions.iter().filter(|function| !has_function(function));
        missing.extend(functions.map(|function| format!("{name}: {function}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn tests_readme_has_every_page_of_the_guide() {
    let document = read("tests/README.md");
    for entry in fs::read_dir(path("mengpaneel/src/guide")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let heading = format!("guide/{name}");
        assert!(
            name == "mod.rs" || document.contains(&heading),
            "{name} has no tests"
        );
    }
}
