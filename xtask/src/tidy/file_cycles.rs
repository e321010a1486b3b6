//! The files of a crate depend on each other in one direction only: paths from one file to items of another form no cycle.
//!
//! A path that leads through a re-export is an edge to the file that defines the item; the re-export itself is not an edge of
//! the file that contains it, usually a `mod.rs`. Unit tests are ignored.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tokens::Tokens;

/// Directories of the sources that are checked.
const ROOTS: [&str; 1] = ["crates/api/src"];

/// Maximum number of re-exports that a path leads through.
const MAX_REEXPORTS: usize = 8;

/// A module path or an item path, relative to the crate.
type Path = Vec<String>;

/// The paths in one file.
#[derive(Default)]
struct Source {
    file: String,
    paths: Vec<Path>,
    reexports: BTreeMap<String, Path>,
}

/// Checks the sources of each root.
pub(super) fn check(files: &[String], contents: impl Fn(&str) -> String) -> Vec<Finding> {
    ROOTS
        .iter()
        .flat_map(|root| {
            let sources = files.iter().filter_map(|file| {
                let relative = file.strip_prefix(root)?.strip_prefix('/')?;
                Some((relative.strip_suffix(".rs")?, contents(file)))
            });
            check_sources(root, &sources.collect::<Vec<_>>())
        })
        .collect()
}

/// Checks files, each given by its path without extension and its text.
fn check_sources(root: &str, files: &[(&str, String)]) -> Vec<Finding> {
    let modules: BTreeSet<Path> = files.iter().map(|(name, _)| module(name)).collect();
    let sources: BTreeMap<Path, Source> = files
        .iter()
        // The program is a crate of its own.
        .filter(|(name, _)| *name != "main")
        .map(|(name, text)| {
            let module = module(name);
            let source = read(format!("{root}/{name}.rs"), text, &module, &modules);
            (module, source)
        })
        .collect();
    let edges: BTreeMap<&Path, BTreeSet<&Path>> = sources
        .iter()
        .map(|(module, source)| {
            let targets = source.paths.iter().map(|path| resolve(path, &sources, 0));
            let targets = targets.filter_map(|path| sources.get_key_value(&path));
            let targets = targets.map(|(target, _)| target);
            (module, targets.filter(|target| *target != module).collect())
        })
        .collect();
    let mut findings = Vec::new();
    let mut done = BTreeSet::new();
    for start in sources.keys() {
        visit(start, &edges, &mut Vec::new(), &mut done, &mut |cycle| {
            let names: Vec<&str> = cycle
                .iter()
                .filter_map(|module| Some(sources.get(*module)?.file.as_str()))
                .collect();
            let problem = format!("is in a cycle of files: {}", names.join(" -> "));
            findings.push(Finding::new(names[0], problem));
        });
    }
    findings
}

/// Visits a module and the modules that it depends on, and reports each path that returns to a module on it.
fn visit<'a>(
    module: &'a Path,
    edges: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
    trail: &mut Vec<&'a Path>,
    done: &mut BTreeSet<&'a Path>,
    found: &mut impl FnMut(&[&Path]),
) {
    if let Some(start) = trail.iter().position(|earlier| *earlier == module) {
        found(&[&trail[start..], &[module]].concat());
        return;
    }
    if done.contains(module) {
        return;
    }
    trail.push(module);
    for target in edges.get(module).into_iter().flatten() {
        visit(target, edges, trail, done, found);
    }
    trail.pop();
    done.insert(module);
}

/// The module that a file defines.
fn module(name: &str) -> Path {
    let mut path: Path = name.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|end| end == "mod" || end == "lib") {
        path.pop();
    }
    path
}

/// The module that defines the item at a path.
fn resolve(path: &[String], sources: &BTreeMap<Path, Source>, reexports: usize) -> Path {
    let mut module = Path::new();
    for (index, segment) in path.iter().enumerate() {
        let child = [module.as_slice(), std::slice::from_ref(segment)].concat();
        if sources.contains_key(&child) {
            module = child;
            continue;
        }
        let target = sources.get(&module);
        let target = target.and_then(|source| source.reexports.get(segment));
        return match target {
            Some(target) if reexports < MAX_REEXPORTS => {
                let target = [target, &path[index + 1..]].concat();
                resolve(&target, sources, reexports + 1)
            }
            _ => module,
        };
    }
    module
}

/// Reads the paths and re-exports of a file.
fn read(file: String, text: &str, module: &Path, modules: &BTreeSet<Path>) -> Source {
    let text = text.split("#[cfg(test)]\nmod tests").next();
    let tokens = Tokens::parse(text.unwrap_or_default()).words;
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut source = Source {
        file,
        ..Source::default()
    };
    let mut names: BTreeMap<String, Path> = BTreeMap::new();
    let mut rest = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `use<…>` is a bound of a type.
        if tokens[at] != "use" || tokens.get(at + 1) == Some(&"<") {
            rest.push(tokens[at]);
            at += 1;
            continue;
        }
        let is_public = at > 0 && matches!(tokens[at - 1], "pub" | ")");
        let mut imports = Vec::new();
        at = read_use(&tokens, at + 1, &Path::new(), &mut imports);
        for (name, path) in imports {
            let Some(path) = absolute(&path, module, modules) else {
                continue;
            };
            if is_public {
                source.reexports.insert(name, path);
            } else {
                source.paths.push(path.clone());
                names.insert(name, path);
            }
        }
    }
    for path in paths(&rest) {
        let known = names.get(&path[0]).or(source.reexports.get(&path[0]));
        let path = match known {
            Some(known) => Some([known, &path[1..]].concat()),
            None => absolute(&path, module, modules),
        };
        source.paths.extend(path);
    }
    source
}

/// Reads a tree of imports after `prefix`, each with its local name, and returns the index after it.
fn read_use(
    tokens: &[&str],
    mut at: usize,
    prefix: &[String],
    imports: &mut Vec<(String, Path)>,
) -> usize {
    let start = at;
    let mut path = prefix.to_vec();
    let mut name = None;
    while let Some(token) = tokens.get(at) {
        match *token {
            "::" => {}
            "{" => {
                while !matches!(tokens.get(at), None | Some(&"}")) {
                    at = read_use(tokens, at + 1, &path, imports);
                }
                return at + 1;
            }
            "as" => {
                at += 1;
                name = tokens.get(at).copied();
            }
            "self" if !path.is_empty() => {}
            "," | "}" | ";" => break,
            segment => path.push(segment.to_owned()),
        }
        at += 1;
    }
    // A list may end with a comma.
    if let Some(end) = path.last().filter(|_| at > start) {
        imports.push((name.unwrap_or(end).to_owned(), path));
    }
    at
}

/// The path from the crate on; `None` for a path into another crate, or for a name of the file itself.
fn absolute(path: &[String], module: &[String], modules: &BTreeSet<Path>) -> Option<Path> {
    // The visibilities `pub(crate)` and `pub(super)` are not paths.
    if path.len() < 2 {
        return None;
    }
    let ups = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match path[0].as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let base = module.len().checked_sub(ups)?;
            Some([&module[..base], &path[ups..]].concat())
        }
        child => {
            let child = [module, &[child.to_owned()]].concat();
            let is_module = modules.contains(&child);
            is_module.then(|| [module, path].concat())
        }
    }
}

/// The paths in an expression or type: names that `::` joins.
fn paths(tokens: &[&str]) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_member = at > 0 && matches!(tokens[at - 1], "." | "mod");
        let mut path = Path::new();
        while let Some(name) = tokens.get(at).filter(|token| is_name(token)) {
            path.push((*name).to_owned());
            at += 1;
            let continues = tokens.get(at) == Some(&"::");
            if !continues || !tokens.get(at + 1).is_some_and(|next| is_name(next)) {
                break;
            }
            at += 1;
        }
        if path.is_empty() {
            at += 1;
        } else if !is_member {
            paths.push(path);
        }
    }
    paths
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(&str, String)> = files
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect();
        let findings = check_sources("src", &files);
        findings.into_iter().map(|it| it.problem).collect()
    }

    #[test]
    fn files_that_use_each_other_are_found() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::{self, A};"),
            ("use crate::{c, b::{B, D}};", "fn f() { super::a::f(); }"),
            ("use crate::b;\nfn f() { b::f(); }", "type X = crate::a::A;"),
            (
                "fn f() -> char { '\"' }\nuse super::b::B as C;",
                "use crate::a::A;",
            ),
        ] {
            let cycle = "is in a cycle of files: src/a.rs -> src/b.rs -> src/a.rs";
            let files = [
                ("lib", "mod a; mod b; mod c;"),
                ("a", a),
                ("b", b),
                ("c", ""),
            ];
            assert_eq!(found(&files), [cycle], "{a} {b}");
        }
    }

    #[test]
    fn cycle_through_a_reexport_is_found() {
        let files = [
            ("lib", "mod a; mod m;"),
            ("a", "use crate::m;\nfn f() { m::g(); }"),
            ("m/mod", "mod b;\npub(crate) use b::g;"),
            ("m/b", "use crate::a::f;"),
        ];
        assert_eq!(
            found(&files),
            ["is in a cycle of files: src/a.rs -> src/m/b.rs -> src/a.rs"]
        );
        let child_of_its_user = [
            (
                "m/mod",
                "mod b;\npub use b::B;\nstruct M;\nfn f() { B::new(); }",
            ),
            ("m/b", "use super::M;"),
        ];
        assert_eq!(found(&child_of_its_user).len(), 1);
    }

    #[test]
    fn one_direction_is_no_cycle() {
        let files = [
            ("lib", "mod a; mod m;\npub use a::A;"),
            // In a comment: use crate::m::M;
            (
                "a",
                "// use crate::m::M;\nconst TEXT: &str = \"crate::m::M\";\nstruct A;",
            ),
            ("m/mod", "mod b;\npub(crate) use b::B;\nstruct M;"),
            (
                "m/b",
                "use super::M;\nuse crate::A;\nuse std::fmt::{self, Display};",
            ),
            ("main", "use crate::m::M;"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
        let only_in_tests = [
            ("a", "use crate::b::B;"),
            (
                "b",
                "struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
            ),
        ];
        assert_eq!(found(&only_in_tests), Vec::<String>::new());
    }
}
