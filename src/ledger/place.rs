//! Where a ledger is stored, as shown to people, and whether it exists yet.
//!
//! Everything after `sqlite:` is the literal path of its file: `%`, `#`, blanks and Chinese characters
//! are part of the name. Two slashes may precede it, and `?mode=rw` or `?mode=rwc` may follow it.

use std::path::{Path, PathBuf};

/// A ledger in memory that ends with the process, for read-only commands when no ledger exists. Only a
/// name that begins with `file:` is the same database on every connection.
pub const IN_MEMORY: &str = "sqlite:file:no-ledger?mode=memory&cache=shared";

/// Where a ledger is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The absolute path; `None` for a server or a ledger in memory.
    file: Option<PathBuf>,
    /// Whether the path depends on the working directory.
    pub is_relative: bool,
}

impl Place {
    /// The place of the ledger at `sqlite:PATH` or `postgres://…`.
    pub fn of(url: &str) -> Self {
        let file = url.strip_prefix("sqlite:").and_then(file);
        let is_relative = file.as_deref().is_some_and(Path::is_relative);
        Self { file: file.map(|file| std::path::absolute(&file).unwrap_or(file)), is_relative }
    }

    /// Whether no ledger exists yet: no file, or an empty one. Always `false` for a server, where this
    /// is unknown.
    pub fn is_missing(&self) -> bool {
        let bytes = |file: &PathBuf| std::fs::metadata(file).map(|found| found.len());
        self.file.as_ref().is_some_and(|file| match bytes(file) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
    }

    /// Why no ledger can be created here, with a hint; `None` if nothing is known to prevent it.
    pub(super) fn problem(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if file.is_dir() {
            return Some(format!(
                "{} is a folder\nhint: use a file in it: \"sqlite:{}\" [RA405]",
                file.display(),
                file.join("ledger.sqlite").display()
            ));
        }
        let missing = folder.filter(|folder| !folder.exists())?;
        Some(format!(
            "the folder {} does not exist\n\
             hint: create it: `mkdir -p '{0}'` [RA405]",
            missing.display()
        ))
    }

    /// The file, if the ledger is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The folder of the file, if the ledger is one.
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

/// What is wrong with a ledger's address, with a hint. It repeats no part of the address, which may
/// contain a password.
pub fn problem(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        let is_server = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        return (!is_server).then_some(
            "must begin with sqlite: or postgres://, followed by a file or a server\n\
             hint: write \"sqlite:/var/lib/replay-archiver/ledger.sqlite\" [RA021]",
        );
    };
    let (path, parameters) = split(rest);
    let is_plain = parameters.split('&').all(|part| matches!(part, "" | "mode=rw" | "mode=rwc"));
    match () {
        () if path == ":memory:" || parameters.contains("mode=memory") => Some(
            "a ledger in memory is lost when the program ends\n\
             hint: use a file: \"sqlite:/var/lib/replay-archiver/ledger.sqlite\" [RA021]",
        ),
        () if path.trim().is_empty() => Some(
            "must begin with sqlite: or postgres://, followed by a file or a server\n\
             hint: write \"sqlite:/var/lib/replay-archiver/ledger.sqlite\" [RA021]",
        ),
        () if path.starts_with("file:") => Some(
            "sqlite: must be followed by a file path, not a URL\n\
             hint: omit file: and write \"sqlite:/var/lib/replay-archiver/ledger.sqlite\" [RA021]",
        ),
        () if path.contains('\0') => Some("a file name cannot contain NUL"),
        () if !is_plain => Some(
            "the path of a ledger takes no parameters\n\
             hint: remove the question mark and everything after it [RA021]",
        ),
        () => None,
    }
}

/// Splits what follows `sqlite:` into the path and its parameters, such as `mode=rwc`. A question mark
/// that no parameter follows is part of the path.
fn split(rest: &str) -> (&str, &str) {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let is_parameter = |part: &str| {
        part.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
        })
    };
    rest.rsplit_once('?')
        .filter(|(_, parameters)| parameters.split('&').all(is_parameter))
        .unwrap_or((rest, ""))
}

/// The file that the text after `sqlite:` names; `None` for a ledger in memory.
fn file(rest: &str) -> Option<PathBuf> {
    let (path, parameters) = split(rest);
    let is_memory = path == ":memory:" || parameters.contains("mode=memory");
    if is_memory {
        return None;
    }
    let literal = PathBuf::from(path);
    // Earlier versions read %20 as a blank: find their ledgers too.
    let before = PathBuf::from(decoded(path));
    Some(if before.exists() && !literal.exists() { before } else { literal })
}

/// The address for the driver: every character of the path that may have a meaning in a URL is escaped.
/// The driver creates a missing file unless `mode=rw` forbids it.
pub(super) fn for_driver(url: &str) -> String {
    let Some(file) = url.strip_prefix("sqlite:").and_then(file) else { return url.to_owned() };
    let (_, parameters) = split(url);
    let mode = parameters.strip_prefix("mode=").unwrap_or("rwc");
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let path: String = file.as_os_str().as_encoded_bytes().iter().copied().map(encoded).collect();
    format!("sqlite:{path}?mode={mode}")
}

/// Decodes `%20` and the like in the path.
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
            ("sqlite:/a/b%20c库#1?.sqlite", "/a/b%20c库#1?.sqlite", false),
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

    #[test]
    fn an_address_is_a_path_or_a_server_and_what_else_it_is_is_told() {
        for good in [
            "sqlite:a.sqlite",
            "sqlite://a.sqlite",
            "sqlite:///a/b.sqlite",
            "sqlite:a%20b",
            "sqlite:mode=x.sqlite",
            "sqlite:a b#c?.sqlite",
            "sqlite:账本.sqlite?mode=rwc",
            "postgres://h/db",
            "postgresql://h",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
        for (bad, told) in [
            ("sqlite:", "followed by a file"),
            ("sqlite://", "followed by a file"),
            ("sqlite: ", "followed by a file"),
            ("sqlite::memory:", "in memory"),
            ("sqlite://:memory:", "in memory"),
            ("sqlite:x?mode=memory", "in memory"),
            ("sqlite:x?cache=shared&mode=memory", "in memory"),
            ("sqlite:x?mode=ro", "no parameters"),
            ("sqlite:x?immutable=1", "no parameters"),
            ("sqlite:file:x", "omit file:"),
            ("sqlite:a\0b", "NUL"),
            ("postgres:", "must begin with"),
            ("postgres://", "must begin with"),
            ("mysql://h/db", "must begin with"),
            ("/a/b.sqlite", "must begin with"),
            ("", "must begin with"),
        ] {
            let problem = problem(bad).unwrap_or_else(|| panic!("{bad}"));
            assert!(problem.contains(told), "{bad}: {problem}");
        }
    }

    #[tokio::test]
    async fn a_ledger_is_made_under_the_very_name_that_is_given() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a%20b",
            "a b.sqlite",
            "a#b",
            "mode=x.sqlite",
            "what?.sqlite",
            "账本 🌸.sqlite",
            "100%.sqlite",
            "a'b\"c",
            ":memory:",
            "x.sqlite?mode=rwc",
        ] {
            let url = format!("sqlite:{}/{name}", folder.path().display());
            crate::ledger::Ledger::open(&url).await.unwrap().close().await;
            let file = folder.path().join(name.trim_end_matches("?mode=rwc"));
            assert!(std::fs::metadata(&file).is_ok_and(|found| found.len() > 0), "{name}");
            assert!(!Place::of(&url).is_missing(), "{name}");
        }
        let before = folder.path().join("of before.sqlite");
        std::fs::rename(folder.path().join("a b.sqlite"), &before).unwrap();
        let place = Place::of(&format!("sqlite:{}/of%20before.sqlite", folder.path().display()));
        assert_eq!(place.file(), Some(before.as_path()), "a ledger of before is found");
    }

    #[tokio::test]
    async fn what_can_be_no_ledger_is_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        for (url, told) in [
            (format!("sqlite:{at}"), "is a folder\nhint: use a file in it"),
            (format!("sqlite:{at}/none/x.sqlite"), "the folder"),
        ] {
            let error = crate::ledger::Ledger::open(&url).await.unwrap_err().to_string();
            assert!(error.contains(told), "{url}: {error}");
        }
    }
}
