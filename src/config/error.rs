//! What can be wrong with the configuration.

use std::path::{Path, PathBuf};

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
    #[error("{key}: {problem}")]
    Value {
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
            problem: with_section(before, error.message()),
            suggestion: suggestion(error.message()),
        }
    }
}

/// The message with the section it is about, so that it reads alone.
fn with_section(before: &str, message: &str) -> String {
    let header = before.lines().rev().map(str::trim).find(|line| line.starts_with('['));
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
