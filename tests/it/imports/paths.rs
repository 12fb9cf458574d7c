//! The sources of the program as their imports tell: which file uses which module.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the program, without its tests.
pub struct File {
    /// Its path below `src/`.
    pub name: String,
    /// The module that it is.
    pub module: Vec<String>,
    /// The modules and items of the program that it names, as paths from the crate's root.
    pub uses: Vec<Vec<String>>,
    /// Its code, without lines of comments.
    pub text: String,
    /// Everything that it imports from anywhere.
    imports: Vec<Vec<String>>,
}

impl File {
    fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let mut module: Vec<String> =
            name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        module.pop_if(|last| last == "mod");
        let text = code(&fs::read_to_string(path).unwrap());
        let imports: Vec<Vec<String>> =
            trees(&text).into_iter().flat_map(|tree| branches(&tree)).collect();
        let named = imports.iter().cloned().chain(mentioned(&text));
        let uses = named.filter_map(|path| absolute(&path, &module)).collect();
        Self { name, module, uses, text, imports }
    }

    /// Whether it names something: in its imports by the path's end, or where it stands by itself.
    pub fn says(&self, word: &str) -> bool {
        let path: Vec<String> = word.split("::").map(str::to_owned).collect();
        let whole = |at: usize| {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let (before, after) = (&self.text[..at], &self.text[at + word.len()..]);
            !before.ends_with(is_part) && !after.starts_with(is_part)
        };
        self.imports.iter().any(|import| import.ends_with(&path))
            || self.text.match_indices(word).any(|(at, _)| whole(at))
    }
}

/// All files of the program that are none of a test's or a fuzzer's.
pub fn sources() -> impl Iterator<Item = File> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let all = paths.into_iter().map(move |path| File::read(&root, &path));
    all.filter(|file| {
        let is_test = |part: &String| part == "tests" || part == "fuzzing";
        !file.module.iter().any(is_test) && !["lib", "main"].contains(&file.module[0].as_str())
    })
}

/// The lines of each file of the program, by its path below `src/`, without its tests.
pub fn lines_of_sources() -> impl Iterator<Item = (String, Vec<String>)> {
    let named = sources().map(|file| file.name);
    named.map(|name| {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        let lines = before_tests(&text).lines().map(str::to_owned).collect();
        (name, lines)
    })
}

/// The public modules that a file declares, in its order.
pub fn declared(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            None => walk(&path, paths),
            Some(extension) if extension == "rs" => paths.push(path),
            Some(_) => {}
        }
    }
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let lines = before_tests(text).lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What stands behind each `use`.
fn trees(text: &str) -> Vec<String> {
    let begins = |line: &str| {
        let line = line.trim_start();
        let is_use = line.starts_with("use ");
        is_use || line.starts_with("pub") && line.contains(" use ")
    };
    let (mut trees, mut open) = (Vec::new(), None::<String>);
    for line in text.lines() {
        let tree = match open.take() {
            Some(tree) => tree + line.trim(),
            None if begins(line) => line.split_once("use ").unwrap().1.to_owned(),
            None => continue,
        };
        match tree.strip_suffix(';') {
            Some(tree) => trees.push(tree.to_owned()),
            None => open = Some(tree),
        }
    }
    trees
}

/// The paths of a tree of imports.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let Some((stem, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let parts = path.split("::").map(|part| part.trim().to_owned());
        return vec![parts.filter(|part| !part.is_empty() && part != "self").collect()];
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let named = parts.iter().filter(|part| !part.trim().is_empty());
    named.flat_map(|part| branches(&format!("{stem}{}", part.trim()))).collect()
}

/// The paths from the crate's root or a parent that stand in the code itself.
fn mentioned(text: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_part(c));
    let paths = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    let parts = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    paths.map(|path| parts(path.trim_end_matches(':'))).collect()
}

/// A path from the crate's root; `None` for one that leads elsewhere.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let up = path.iter().take_while(|part| *part == "super").count();
    let from_root: Vec<String> = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "super" => {
            let own = &module[..module.len().saturating_sub(up)];
            own.iter().chain(&path[up..]).cloned().collect()
        }
        _ => return None,
    };
    (!from_root.is_empty()).then_some(from_root)
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let text = code(
        "//! use crate::no;\nuse super::{Error, seal::{self, Means}};\npub(super) use crate::{\n    \
         ledger,\n    store::Store as Bucket,\n};\nfn f() { crate::clock::pause(1) }\n\
         #[cfg(test)]\nmod tests {\n    use crate::fuzzing;\n}\n",
    );
    let module = ["stage", "audit"].map(str::to_owned);
    let imports = trees(&text).into_iter().flat_map(|tree| branches(&tree)).chain(mentioned(&text));
    let found: Vec<String> =
        imports.filter_map(|path| absolute(&path, &module)).map(|path| path.join("::")).collect();
    let expected = ["stage::Error", "stage::seal", "stage::seal::Means", "ledger", "store::Store"];
    assert_eq!(found[..5], expected);
    assert!(found.contains(&"clock::pause".to_owned()) && !found.iter().any(|p| p == "fuzzing"));
}
