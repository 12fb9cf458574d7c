//! Where a ledger lies, as people are told, and whether it is there yet.

use std::path::{Path, PathBuf};

/// A ledger in memory, which ends with the process: for commands that only read, where there is none.
/// Only a name that begins with `file:` is the same database for all connections.
pub const IN_MEMORY: &str = "sqlite:file:no-ledger?mode=memory&cache=shared";

/// Where a ledger lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file in full; `None` for a server's, or one in memory.
    file: Option<PathBuf>,
    /// Whether its path depends on the folder that the program is started in.
    pub is_relative: bool,
}

impl Place {
    /// That of the ledger at `sqlite:PATH` or `postgres://…`.
    pub fn of(url: &str) -> Self {
        let file = url.strip_prefix("sqlite:").and_then(file);
        let is_relative = file.as_deref().is_some_and(Path::is_relative);
        Self { file: file.map(|file| std::path::absolute(&file).unwrap_or(file)), is_relative }
    }

    /// Whether there is no ledger yet: no file, or one that nothing was written to. Of a server
    /// this is not known.
    pub fn is_missing(&self) -> bool {
        let bytes = |file: &PathBuf| std::fs::metadata(file).map(|found| found.len());
        self.file.as_ref().is_some_and(|file| match bytes(file) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
    }

    /// The folder of the file, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        self.file.as_deref().and_then(Path::parent)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(file) => file.display().fmt(f),
            None => f.write_str("on the server that [ledger] url names"),
        }
    }
}

/// The file of what follows `sqlite:`, as sqlx reads it.
fn file(rest: &str) -> Option<PathBuf> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let is_memory = path == ":memory:" || parameters.contains("mode=memory");
    (!is_memory).then(|| decoded(path).into())
}

/// The path with what is written as `%20` and the like put back.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code =
            after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_in_full_and_a_server_is_not() {
        for (url, shown, is_relative) in [
            ("sqlite:/a/b.sqlite", "/a/b.sqlite", false),
            ("sqlite:///a/b.sqlite?mode=rwc", "/a/b.sqlite", false),
            ("sqlite:/a/b%20c%E5%BA%93.sqlite", "/a/b c库.sqlite", false),
            ("sqlite:/a/100%.sqlite", "/a/100%.sqlite", false),
            ("postgres://u:p@h/db", "on the server that [ledger] url names", false),
        ] {
            let place = Place::of(url);
            assert_eq!((place.to_string().as_str(), place.is_relative), (shown, is_relative));
        }
        let relative = Place::of("sqlite:b.sqlite");
        assert!(relative.is_relative && relative.to_string().ends_with("/b.sqlite"));
        assert!(relative.to_string().starts_with('/'), "{relative}");
    }

    #[test]
    fn a_ledger_is_missing_until_something_was_written_to_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("l.sqlite");
        let place = Place::of(&format!("sqlite:{}", file.display()));
        assert!(place.is_missing());
        std::fs::write(&file, b"").unwrap();
        assert!(place.is_missing());
        std::fs::write(&file, b"x").unwrap();
        assert!(!place.is_missing());
        for never in ["postgres://h/db", "sqlite::memory:", IN_MEMORY] {
            assert!(!Place::of(never).is_missing(), "{never}");
        }
    }
}
