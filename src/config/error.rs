//! What can be wrong with the configuration.

use std::path::{Path, PathBuf};

use super::Environment;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "the configuration {} cannot be read\n\
         hint: name another with --config FILE; the repository's pipeline.toml is a documented start",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key or value in the file is wrong.
    #[error("{}, line {line}: {problem}{}", path.display(), suggestion.as_deref().unwrap_or(""))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, the key named.
        problem: String,
        /// A `hint:` line with the nearest key.
        suggestion: Option<String>,
    },
    /// An environment variable is wrong.
    #[error("the environment variable {name}: {problem}{}", suggestion.as_deref().unwrap_or(""))]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong.
        problem: String,
        /// A `hint:` line with the nearest key.
        suggestion: Option<String>,
    },
    /// A value that is well formed but not possible.
    #[error("{place}{key}: {problem}")]
    Value {
        /// Where it was set, as `FILE, line 3: `; empty where that is not known.
        place: String,
        /// The key, as `[section] key`.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ConfigError {
    /// The error of the TOML reader, with its line and the nearest key.
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or(text);
        Self::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            problem: with_section(before, &without_value(error.message())),
            suggestion: suggestion(error.message()),
        }
    }

    /// A value that is not possible. Where it was set is told by [`ConfigError::placed`].
    pub(crate) fn value(key: &str, problem: impl Into<String>) -> Self {
        Self::Value { place: String::new(), key: key.to_owned(), problem: problem.into() }
    }

    /// The same error with the place where the value was set: a variable, or a line of the file.
    pub(super) fn placed(self, path: &Path, text: &str, environment: &Environment) -> Self {
        let Self::Value { key, problem, .. } = self else { return self };
        let place = match (environment.overriding(&key), line_of(text, &key)) {
            _ if !key.starts_with('[') => String::new(),
            (Some(variable), _) => format!("the environment variable {variable}: "),
            (None, Some(line)) => format!("{}, line {line}: ", path.display()),
            (None, None) => format!("{}: ", path.display()),
        };
        Self::Value { place, key, problem }
    }
}

/// The line, from 1, of a key named as `[section] key`. Of `[[account]] appid: key`, the line of the
/// appid.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, key) = key.rsplit_once("] ")?;
    let mut header = "";
    let is_it = |line: &str| match key.split_once(": ") {
        Some((appid, _)) => line.starts_with("appid") && line.contains(&format!("\"{appid}\"")),
        None => line.split_once('=').is_some_and(|(name, _)| name.trim() == key),
    };
    let place = text.lines().map(str::trim).position(|line| {
        if line.starts_with('[') {
            header = line;
        }
        header.starts_with(section) && is_it(line)
    });
    place.map(|place| place + 1)
}

/// The message without a text that stands where something else should: it may be a secret, put
/// where the name of its variable belongs.
pub(super) fn without_value(message: &str) -> String {
    const BEFORE: &str = "invalid type: string \"";
    match message.split_once(BEFORE).and_then(|(_, rest)| rest.rsplit_once("\", expected ")) {
        Some((_, expected)) => format!("invalid type: a text, expected {expected}"),
        None => message.to_owned(),
    }
}

/// The message with the section it is about, so that it reads alone.
fn with_section(before: &str, message: &str) -> String {
    let is_header = |line: &&str| line.starts_with('[');
    let header = before.lines().rev().map(str::trim).find(is_header);
    // A header that ends here is not where the error lies, but what it is about.
    let header = header.filter(|header| header.ends_with(']'));
    header.map_or_else(|| message.to_owned(), |header| format!("in {header}: {message}"))
}

/// A `hint:` line naming the key that is nearest to an unknown one.
///
/// serde words it: unknown field `x`, expected one of `a`, `b`.
pub(super) fn suggestion(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with("unknown"))?;
    names
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(2))
        .map(|(_, name)| format!("\nhint: did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::super::ConfigFile;
    use super::*;

    const TEXT: &str = "[store]\nbucket = 'a'\n\n[transfer]\n  part_size = \"1MiB\"\n\n[[account]]\n\
                        appid = \"wx1\"\n\n[[account]]\nreserve = 1\nappid = \"wx2\"\n";

    fn shown(key: &str, environment: &Environment) -> String {
        let error = ConfigError::value(key, "it is wrong");
        error.placed(Path::new("p.toml"), TEXT, environment).to_string()
    }

    #[test]
    fn an_impossible_value_is_shown_with_the_line_it_stands_on() {
        let none = Environment::default();
        for (key, place) in [
            ("[store] bucket", "p.toml, line 2: "),
            ("[transfer] part_size", "p.toml, line 5: "),
            ("[transfer] files", "p.toml: "),
            ("[[account]] wx2: reserve", "p.toml, line 12: "),
            ("[[account]]", "p.toml: "),
            ("--account", ""),
        ] {
            assert_eq!(shown(key, &none), format!("{place}{key}: it is wrong"));
        }
    }

    #[test]
    fn an_impossible_value_of_a_variable_is_not_blamed_on_the_file() {
        let name = "REPLAY_ARCHIVER_TRANSFER__PART_SIZE";
        let environment = [(name.to_owned(), "1MiB".to_owned())].into_iter().collect();
        let shown = shown("[transfer] part_size", &environment);
        assert_eq!(
            shown,
            format!("the environment variable {name}: [transfer] part_size: it is wrong")
        );
    }

    #[test]
    fn an_unknown_section_is_not_said_to_lie_in_another() {
        let text = "[store]\n[medai]\n";
        let error = ConfigFile::parse(text, Path::new("p.toml")).unwrap_err().to_string();
        assert!(error.starts_with("p.toml, line 2: unknown field `medai`"), "{error}");
        let text = "[store]\nbuckt = 1\n";
        let error = ConfigFile::parse(text, Path::new("p.toml")).unwrap_err().to_string();
        assert!(error.starts_with("p.toml, line 2: in [store]: unknown field `buckt`"), "{error}");
    }
}
