//! Secrets from the variables and files that the configuration names.

use std::borrow::Cow;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::suspect::{can_be_variable, is_plain_path, is_plain_variable, may_be_secret};
use super::{ConfigError, Environment, credentials, text};

/// Where a secret may come from, and what errors call it.
pub(super) struct Source<'a> {
    /// The named variable, if any.
    pub variable: Option<&'a str>,
    /// The named file, if any. It takes precedence over the variable.
    pub file: Option<&'a Path>,
    /// The key path without its suffix, such as `store.secret_key`.
    pub path: String,
    /// What it is, such as `the appsecret`.
    pub what: &'static str,
}

/// Reads a secret and strips surrounding whitespace and marks. Errors name the key of its source.
pub(super) fn secret(
    environment: &Environment,
    source: &Source<'_>,
) -> Result<SecretString, ConfigError> {
    let Source { variable, file, path, what } = source;
    match (file, variable) {
        (Some(file), _) => of_file(environment, file, &format!("{path}_file"), what),
        (None, Some(name)) => of_variable(environment, name, &format!("{path}_env"), what),
        (None, None) => Err(ConfigError::at(
            &format!("{path}_env"),
            format!(
                "no source for {what} is configured\nhint: set this key to the name of the variable that holds it, or {}_file to the path of a file [RA101]",
                last(path)
            ),
        )),
    }
}

/// A secret from the variable that a key names.
pub(super) fn of_variable(
    environment: &Environment,
    name: &str,
    path: &str,
    what: &str,
) -> Result<SecretString, ConfigError> {
    let found = must_be_set(environment, name, path, what)?;
    let wrong =
        |problem: &str| ConfigError::at(path, format!("the environment {} {problem}", shown(name)));
    let text = found.map_err(|NotUtf8| wrong("is not UTF-8 text"))?;
    trimmed(text).map_err(wrong)
}

/// The value of the variable that a key names.
pub(super) fn must_be_set<'a>(
    environment: &'a Environment,
    name: &str,
    path: &str,
    what: &str,
) -> Result<Result<&'a str, NotUtf8>, ConfigError> {
    let wrong = |problem: String| ConfigError::at(path, problem);
    if name.is_empty() {
        return Err(wrong(format!(
            "no variable is configured\nhint: set it to the name of the variable that holds {what} [RA101]"
        )));
    }
    if let Some(found) = environment.variable(name) {
        return Ok(found);
    }
    if !can_be_variable(name) || may_be_secret(name) {
        return Err(wrong(format!(
            "this is not the name of an environment variable, and may be a secret: it is not shown\n\
             hint: expected the name of the variable that holds {what}, such as \"WECHAT_SECRET\"; \
             set that variable in the program's environment [RA103]"
        )));
    }
    let file = path.strip_suffix("_env").filter(|stem| !stem.ends_with("command"));
    let file = file.map_or_else(String::new, |stem| {
        format!(", or set {}_file to the path of a file that holds it", last(stem))
    });
    Err(wrong(format!(
        "the environment {} is not set\nhint: set it to {what}{file} [RA102]",
        shown(name)
    )))
}

/// A variable as errors name it.
fn shown(name: &str) -> String {
    if is_plain_variable(name) {
        format!("variable {name}")
    } else {
        "variable named here".to_owned()
    }
}

/// The value of a variable that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// A secret from the file that a key names.
pub(super) fn of_file(
    environment: &Environment,
    file: &Path,
    path: &str,
    what: &str,
) -> Result<SecretString, ConfigError> {
    let text = text_of_file(environment, file, path, what)?;
    let wrong = |problem| ConfigError::at(path, format!("{} {problem}", shown_file(file)));
    trimmed(text.expose_secret()).map_err(wrong)
}

/// A file as errors name it.
fn shown_file(file: &Path) -> Cow<'_, str> {
    let name = file.to_string_lossy();
    if is_plain_path(&name) { name } else { "the file named here".into() }
}

/// The text of a file that holds secrets.
pub(super) fn text_of_file(
    environment: &Environment,
    named: &Path,
    path: &str,
    what: &str,
) -> Result<SecretString, ConfigError> {
    let file = environment.file(named, path)?;
    let shown = shown_file(&file);
    let wrong = |problem: String| ConfigError::at(path, problem);
    let bytes = std::fs::read(&file).map_err(|error| {
        let hint = credentials::hint(named, &file, what);
        wrong(format!("failed to read {shown}: {error}{hint}"))
    })?;
    let text = text::read(&bytes).map_err(|error| {
        wrong(format!("{shown} is {}\nhint: save it as UTF-8 [RA003]", error.looks_like))
    })?;
    Ok(text.into())
}

/// Strips what an editor, a shell or copying left around the secret. The error text follows the name of
/// the source.
pub(super) fn trimmed(text: &str) -> Result<SecretString, &'static str> {
    let is_around = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
    };
    let secret = text.trim_matches(is_around);
    let is_quoted =
        |quote| secret.len() > 1 && secret.starts_with(quote) && secret.ends_with(quote);
    match () {
        () if secret.is_empty() => Err("is empty\nhint: set it to the secret [RA107]"),
        () if secret.contains(['\n', '\r']) => {
            Err("holds several lines\nhint: the secret alone belongs there [RA107]")
        }
        () if is_quoted('"') || is_quoted('\'') => Err(
            "holds quotes around the secret\nhint: remove them; docker's --env-file makes them part of the value [RA107]",
        ),
        () => Ok(secret.into()),
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_stripped_of_surrounding_whitespace_and_marks() {
        for around in [
            "s3cret",
            "s3cret\n",
            "s3cret\r\n",
            " s3cret\t",
            "\u{feff}s3cret",
            "s3cret\r",
            "\u{3000}s3cret\u{a0}",
            "\u{200b}s3cret\0",
        ] {
            assert_eq!(trimmed(around).unwrap().expose_secret(), "s3cret", "{around:?}");
        }
        assert_eq!(trimmed("a b").unwrap().expose_secret(), "a b");
        for (wrong, problem) in [
            ("", "is empty"),
            (" \r\n", "is empty"),
            ("\u{feff}", "is empty"),
            ("a\nb", "several lines"),
            ("\"a\"", "quotes"),
            ("'a'\n", "quotes"),
        ] {
            assert!(trimmed(wrong).unwrap_err().contains(problem), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_file_is_read_however_an_editor_saved_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            of_file(&Environment::default(), &file, "store.secret_key_file", "the secret key")
        };
        assert_eq!(read(b"\xef\xbb\xbfs3cret\r\n").unwrap().expose_secret(), "s3cret");
        let wide = read(b"\xff\xfes\x003\x00").unwrap_err().to_string();
        assert!(wide.contains("UTF-16") && wide.contains("hint: save it as UTF-8"), "{wide}");
        assert!(read(b"\n").unwrap_err().to_string().contains("is empty"));
    }
}
