//! Documents and copies of files that nobody compiles, held to what they speak of.

use std::fs;
use std::path::{Path, PathBuf};

fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Asserts that a file is the copy of another, and no link, which a package may leave out.
fn assert_copy(copy: &str, original: &str) {
    assert!(
        path(copy).symlink_metadata().unwrap().is_file(),
        "{copy} is no file of its own"
    );
    assert!(
        read(copy) == read(original),
        "{copy} differs from {original}: copy it anew"
    );
}

#[test]
fn crates_carry_the_licences() {
    for name in ["mengpaneel", "mengpaneel-macros"] {
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_copy(&format!("{name}/{licence}"), licence);
        }
    }
}

#[test]
fn crate_carries_the_script_of_the_npm_package() {
    assert_copy("mengpaneel/src/mengpaneel.js", "js/mengpaneel.js");
}

/// Words in backticks that are paths of files or folders.
fn named_paths(document: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let plain = word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
        let is_source = Path::new(word)
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "js");
        plain && (is_source || word.ends_with('/'))
    };
    document.split('`').skip(1).step_by(2).filter(is_path)
}

#[test]
fn architecture_names_files_that_exist() {
    let document = read("ARCHITECTURE.md");
    let places = [
        "mengpaneel/src",
        "mengpaneel/src/browser",
        "mengpaneel-macros/src",
        "js",
        ".",
    ];
    let is_there = |name: &str| places.iter().any(|place| path(place).join(name).exists());
    let missing: Vec<_> = named_paths(&document)
        .filter(|name| !is_there(name))
        .collect();
    assert!(named_paths(&document).count() > 30, "few names were found");
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn architecture_places_every_module() {
    let document = read("ARCHITECTURE.md");
    let modules = fs::read_dir(path("mengpaneel/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names = modules.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    for name in names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()) {
        let is_named =
            document.contains(&format!("`{name}.rs`")) || document.contains(&format!("`{name}/`"));
        assert!(is_named, "{name} stands on no floor of ARCHITECTURE.md");
    }
}

/// Targets of the links of a document.
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

/// The README is shown on GitHub, crates.io and docs.rs, each of which resolves relative links in
/// its own way.
#[test]
fn readme_links_resolve_wherever_it_is_shown() {
    const REPOSITORY: &str = "https://github.com/mengpaneel/mengpaneel/";
    let document = read("README.md");
    let mut in_repository = 0;
    for link in links(&document) {
        assert!(
            link.starts_with("https://") || link.starts_with("http://127.0.0.1:"),
            "no absolute link: {link}"
        );
        let Some(place) = link.strip_prefix(REPOSITORY) else {
            continue;
        };
        let file = place
            .strip_prefix("blob/main/")
            .or_else(|| place.strip_prefix("tree/main/"));
        let file = file.unwrap_or_else(|| panic!("a place that no file shows: {link}"));
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
