//! Direction of dependencies: a module uses only modules below it, and no two use each other.
//!
//! Paths are read from the source of the crate, those in bodies of macros included. Unit tests are
//! not part of the crate, and may use any module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::Visit;
use syn::{Attribute, Item, ItemUse, UseTree};

/// Modules of the crate root, from top to bottom.
const LAYERS: [&str; 17] = [
    "testing",
    "middleware",
    "config",
    "mengpaneel",
    "flush",
    "delayed",
    "deliver",
    "outbox",
    "translate",
    "browser",
    "request",
    "record",
    "settings",
    "error",
    "call",
    "metrics",
    "id",
];

/// Modules without code of their own: docs, and those that re-export.
const DOCS: [&str; 3] = ["lib", "guide", "__private"];

type ModulePath = Vec<String>;

/// Use of one module by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: ModulePath,
    to: ModulePath,
    /// Path as written.
    path: String,
}

/// Source of the crate.
struct Crate {
    files: BTreeMap<ModulePath, PathBuf>,
    /// Modules that define exported macros, by the macro's name.
    macros: BTreeMap<String, ModulePath>,
    /// Paths that `__private` re-exports, by name; `*` for the module whose items it re-exports.
    private: BTreeMap<String, ModulePath>,
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../mengpaneel/src")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name == "tests" || name == "tests.rs"
    })
}

fn collect_files(folder: &Path, module: &[String], files: &mut BTreeMap<ModulePath, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if is_test(path.strip_prefix(source_root()).unwrap()) || name == "bin" {
            continue;
        }
        let child = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            collect_files(&path, &child, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder_itself = name == "mod";
            files.insert(
                if is_folder_itself {
                    module.to_vec()
                } else {
                    child
                },
                path,
            );
        }
    }
}

fn parse(path: &Path) -> syn::File {
    let source = fs::read_to_string(path).unwrap();
    syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Crate {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        collect_files(&source_root(), &[], &mut files);
        let mut macros = BTreeMap::new();
        for (module, path) in &files {
            for item in parse(path).items {
                if let Item::Macro(definition) = item
                    && let Some(name) = definition.ident
                {
                    macros.insert(name.to_string(), module.clone());
                }
            }
        }
        let mut private = BTreeMap::new();
        for item in parse(&source_root().join("__private.rs")).items {
            if let Item::Use(ItemUse { tree, .. }) = item {
                for (name, path) in leaves(&tree, Vec::new()) {
                    private.insert(name, path);
                }
            }
        }
        Self {
            files,
            macros,
            private,
        }
    }

    /// Returns the module that a path below the crate root leads to. `None` for the root's own
    /// re-exports of foreign crates.
    fn resolve(&self, path: &[String]) -> Option<ModulePath> {
        let first = path.first()?;
        if let Some(module) = self.macros.get(first) {
            return Some(module.clone());
        }
        if first == "__private" {
            let name = path.get(1)?;
            let target = self.private.get(name).or_else(|| self.private.get("*"))?;
            let inside = target.strip_suffix(&["*".to_owned()][..]);
            let full = match inside {
                Some(module) => [module, &path[1..]].concat(),
                None => target.clone(),
            };
            let below_root = full.strip_prefix(&["crate".to_owned()][..])?;
            return self.resolve(below_root);
        }
        (1..=path.len())
            .rev()
            .map(|length| path[..length].to_vec())
            .find(|module| self.files.contains_key(module))
            .or_else(|| Some(vec!["lib".to_owned()]))
    }

    fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (module, path) in &self.files {
            if module
                .first()
                .is_some_and(|name| DOCS.contains(&name.as_str()))
            {
                continue;
            }
            let mut paths = Paths {
                module,
                found: BTreeSet::new(),
            };
            paths.visit_file(&parse(path));
            for found in paths.found {
                if let Some(to) = self.resolve(&found)
                    && to != *module
                {
                    let path = found.join("::");
                    edges.insert(Edge {
                        from: module.clone(),
                        to,
                        path,
                    });
                }
            }
        }
        edges
    }

    fn file(&self, module: &ModulePath) -> String {
        let path = &self.files[module];
        path.strip_prefix(source_root())
            .unwrap()
            .display()
            .to_string()
    }
}

/// Returns the names that a `use` brings in, with their full paths.
fn leaves(tree: &UseTree, mut prefix: Vec<String>) -> Vec<(String, Vec<String>)> {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            leaves(&path.tree, prefix)
        }
        UseTree::Name(name) => {
            if name.ident != "self" {
                prefix.push(name.ident.to_string());
            }
            vec![(prefix.last().cloned().unwrap_or_default(), prefix)]
        }
        UseTree::Rename(rename) => {
            prefix.push(rename.ident.to_string());
            vec![(rename.rename.to_string(), prefix)]
        }
        UseTree::Glob(_) => {
            prefix.push("*".to_owned());
            vec![("*".to_owned(), prefix)]
        }
        UseTree::Group(group) => {
            let trees = group.items.iter();
            trees
                .flat_map(|tree| leaves(tree, prefix.clone()))
                .collect()
        }
    }
}

/// Paths of one file that lead through the crate root, without `crate`.
struct Paths<'a> {
    module: &'a ModulePath,
    found: BTreeSet<Vec<String>>,
}

impl Paths<'_> {
    fn add(&mut self, path: &[String]) {
        match path.first().map(String::as_str) {
            Some("crate") => drop(self.found.insert(path[1..].to_vec())),
            Some("super") => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let parent = &self.module[..self.module.len().saturating_sub(up)];
                self.found.insert([parent, &path[up..]].concat());
            }
            _ => {}
        }
    }

    /// Reads the tokens of a macro, which are not parsed: `crate::…` and `$crate::…`.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" => {
                    let mut path = vec!["crate".to_owned()];
                    loop {
                        match tokens.peek() {
                            Some(TokenTree::Punct(punct)) if punct.as_char() == ':' => {}
                            Some(TokenTree::Ident(part)) => path.push(part.to_string()),
                            _ => break,
                        }
                        tokens.next();
                    }
                    self.add(&path);
                }
                _ => {}
            }
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.to_token_stream().to_string();
        attribute.path().is_ident("cfg") && condition.contains("test") && !condition.contains("any")
    })
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (_, path) in leaves(&item.tree, Vec::new()) {
            self.add(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        self.add(&parts);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        syn::visit::visit_macro(self, call);
    }
}

#[test]
fn every_module_has_a_layer() {
    let modules: BTreeSet<String> = Crate::read()
        .files
        .keys()
        .filter_map(|module| module.first().cloned())
        .filter(|name| !DOCS.contains(&name.as_str()))
        .collect();
    assert_eq!(modules, LAYERS.map(str::to_owned).into());
}

#[test]
fn modules_use_only_modules_below_them() {
    let source = Crate::read();
    let rank = |module: &ModulePath| LAYERS.iter().position(|name| *name == module[0]);
    let edges = source.edges();
    assert!(edges.len() > 400, "few paths were found: {}", edges.len());
    let upward: Vec<_> = edges
        .iter()
        .filter(|edge| edge.from[0] != edge.to[0] && rank(&edge.to) <= rank(&edge.from))
        .map(|Edge { from, to, path }| {
            let (from, to) = (source.file(from), source.file(to));
            format!("{from} uses {path} of {to}, which is above it")
        })
        .collect();
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn modules_of_one_folder_do_not_use_each_other() {
    let source = Crate::read();
    // Folder → module → modules beside it that it uses, each with an example.
    let mut folders: BTreeMap<ModulePath, BTreeMap<String, BTreeMap<String, Edge>>> =
        BTreeMap::new();
    for edge in source.edges() {
        let pairs = edge.from.iter().zip(&edge.to);
        let common = pairs.take_while(|(from, to)| from == to).count();
        let (Some(from), Some(to)) = (edge.from.get(common), edge.to.get(common)) else {
            continue;
        };
        let folder = folders.entry(edge.from[..common].to_vec()).or_default();
        let uses = folder.entry(from.clone()).or_default();
        uses.entry(to.clone()).or_insert(edge);
    }
    let mut cycles = Vec::new();
    for modules in folders.values() {
        for start in modules.keys() {
            if let Some(cycle) = cycle_from(start, modules) {
                let describe = |edge: &Edge| {
                    let (from, to) = (source.file(&edge.from), source.file(&edge.to));
                    format!("{from} uses {} of {to}", edge.path)
                };
                cycles.push(cycle.iter().map(describe).collect::<Vec<_>>());
            }
        }
    }
    assert!(cycles.is_empty(), "{cycles:#?}");
}

/// Returns the edges of a cycle through a module, if there is one.
fn cycle_from(
    start: &str,
    modules: &BTreeMap<String, BTreeMap<String, Edge>>,
) -> Option<Vec<Edge>> {
    let mut pending = vec![(start.to_owned(), Vec::new())];
    let mut visited = BTreeSet::new();
    while let Some((module, path)) = pending.pop() {
        for (used, edge) in modules.get(&module).into_iter().flatten() {
            let path = [&path[..], std::slice::from_ref(edge)].concat();
            if used == start {
                return Some(path);
            }
            if visited.insert(used.clone()) {
                pending.push((used.clone(), path));
            }
        }
    }
    None
}
