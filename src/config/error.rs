//! What can be wrong with the configuration.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::origins::{Origins, line_and_column};
use super::text::NotText;
use super::{keys, typography, wording};

/// An unusable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "failed to read the configuration {}\n\
         hint: pass another file with --config FILE; pipeline.toml in the repository is a documented template; \
         without a file, set every key with a variable such as REPLAY_ARCHIVER_STORE__BUCKET [RA002]",
        shown(path)
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not UTF-8 text.
    #[error(
        "{}{}: the file is {looks_like}\n\
         hint: save it as UTF-8{} [RA003]",
        path.display(), at_line(*line), conversion(looks_like)
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line of the first wrong byte, from 1.
        line: Option<usize>,
        /// What it looks like instead.
        looks_like: Cow<'static, str>,
    },
    /// A key or value in the file is wrong.
    #[error("{}, line {line}{}: {problem}{}", path.display(), at_column(*column), suggestion.as_deref().unwrap_or(""))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, if a single character is wrong.
        column: Option<usize>,
        /// What is wrong, including the key.
        problem: String,
        /// A `hint:` line.
        suggestion: Option<String>,
    },
    /// An environment variable is wrong.
    #[error("the environment variable {name}: {problem}{}", suggestion.as_deref().unwrap_or(""))]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong.
        problem: String,
        /// A `hint:` line with the closest key.
        suggestion: Option<String>,
    },
    /// A well-formed value that is not allowed.
    #[error("{place}{key}: {problem}")]
    Value {
        /// Where it was set, such as `FILE, line 3: `; empty if unknown.
        place: String,
        /// The key, such as `[section] key`.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// The path of the key, such as `section.key`, or a flag.
        path: String,
    },
}

/// The absolute path, which shows the folder that was searched.
fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

/// How to convert text of a known encoding to UTF-8.
fn conversion(looks_like: &str) -> String {
    let is_name =
        |word: &&str| ["UTF-16", "UTF-32", "GBK"].iter().any(|name| word.starts_with(name));
    let from = looks_like.split(' ').find(is_name);
    from.map_or_else(String::new, |from| {
        format!(", in an editor or with `iconv -f {from} -t UTF-8`")
    })
}

fn at_column(column: Option<usize>) -> String {
    column.map_or_else(String::new, |column| format!(", column {column}"))
}

impl ConfigError {
    /// A file that is not UTF-8 text.
    pub(super) fn not_text(path: &Path, error: NotText) -> Self {
        Self::NotText { path: path.to_owned(), line: error.line, looks_like: error.looks_like }
    }

    /// An error of the TOML parser on malformed TOML. Names a look-alike character if one is the cause.
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        if let Some(stray) = typography::stray(text) {
            return Self::stray(path, text, stray.offset, stray.found, "");
        }
        let offset = error.span().map_or(0, |span| span.start);
        let (number, _) = line_and_column(text, offset);
        let line = text.lines().nth(number - 1).unwrap_or_default();
        let before = text.get(..offset).unwrap_or(text);
        Self::Syntax {
            path: path.to_owned(),
            line: number,
            column: None,
            problem: in_section(before, &format!("{}{}", key_of(line), error.message())),
            suggestion: wording::syntax_hint(line).map(str::to_owned),
        }
    }

    /// A character that is not allowed at this offset of the file.
    pub(super) fn stray(path: &Path, text: &str, offset: usize, found: char, key: &str) -> Self {
        let (line, column) = line_and_column(text, offset);
        let problem = format!("{key}unexpected {}", typography::explained(found));
        Self::Syntax {
            path: path.to_owned(),
            line,
            column: Some(column),
            problem,
            suggestion: None,
        }
    }

    /// An error of the TOML parser on an unknown key or a value of the wrong type.
    pub(super) fn typed(
        path: &Path,
        text: &str,
        error: &toml::de::Error,
        origins: &Origins<'_>,
    ) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or(text);
        let problem = wording::problem(error.message());
        let is_unknown = error.message().starts_with("unknown field");
        let at = origins.path_at(offset).filter(|_| !is_unknown);
        let section = section(before).map(|header| header.trim_matches(['[', ']']));
        Self::Syntax {
            path: path.to_owned(),
            line: line_and_column(text, offset).0,
            column: None,
            problem: match at {
                Some(key) => format!("{}: {problem}", origins.shown(key)),
                None => in_section(before, &problem),
            },
            suggestion: wording::hint(error.message(), at.or(section).unwrap_or_default()),
        }
    }

    /// A value that is not allowed for the key at a path such as `store.bucket`. [`ConfigError::placed`]
    /// adds where it was set.
    pub(super) fn at(path: &str, problem: impl Into<String>) -> Self {
        let key = keys::shown(path, None);
        Self::Value { place: String::new(), key, problem: problem.into(), path: path.to_owned() }
    }

    /// A flag value that is not allowed.
    pub(crate) fn value(flag: &str, problem: impl Into<String>) -> Self {
        Self::at(flag, problem)
    }

    /// Whether a flag is wrong rather than the configuration.
    pub fn is_flag(&self) -> bool {
        matches!(self, Self::Value { path, .. } if path.starts_with("--"))
    }

    /// The same error with the place where the value was set: a variable or a line of the file.
    pub(super) fn placed(self, origins: &Origins<'_>) -> Self {
        let Self::Value { problem, path, .. } = self else { return self };
        Self::Value { place: origins.place(&path), key: origins.shown(&path), problem, path }
    }
}

/// The key that a line sets, as a prefix for the error.
fn key_of(line: &str) -> String {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let key = line.split_once('=').map(|(key, _)| key.trim()).unwrap_or_default();
    let is_key = !key.is_empty() && key.len() <= 32 && key.chars().all(is_key);
    if is_key && !super::may_be_secret(key) { format!("{key}: ") } else { String::new() }
}

/// The header of the section in which the text ends.
fn section(before: &str) -> Option<&str> {
    let header = before.lines().rev().map(str::trim).find(|line| line.starts_with('['))?;
    let (header, _) = header.split_once('#').unwrap_or((header, ""));
    // A header that ends here is the subject of the error rather than its section.
    Some(header.trim_end()).filter(|header| header.ends_with(']'))
}

/// Prefixes the message with its section, so that it makes sense on its own.
fn in_section(before: &str, message: &str) -> String {
    let header = section(before).filter(|header| !super::may_be_secret(header));
    header.map_or_else(|| message.to_owned(), |header| format!("in {header}: {message}"))
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::super::{ConfigFile, Environment, understand};
    use super::*;

    const TEXT: &str = "[store]\nbucket = 'a'\n\n[transfer]\n  part_size = \"1MiB\"\n\n[[account]]\n\
                        appid = \"wx1\"\n\n[[account]]\nreserve = 1\nappid = \"wx2\"\n";

    fn shown(path: &str, variables: &[(&str, &str)]) -> String {
        let table = DeTable::parse(TEXT).unwrap();
        let mut origins = Origins::of_file(Some(Path::new("p.toml")), TEXT, table.get_ref());
        for (path, variable) in variables {
            origins.set(path, variable, "");
        }
        ConfigError::at(path, "it is wrong").placed(&origins).to_string()
    }

    fn parsed(text: &str) -> Result<ConfigFile, ConfigError> {
        understand(text, Some(Path::new("p.toml")), &Environment::default()).map(|(file, _)| file)
    }

    fn refused(text: &str) -> String {
        parsed(text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn an_invalid_value_is_shown_with_its_line() {
        for (path, expected) in [
            ("store.bucket", "p.toml, line 2: [store] bucket"),
            ("transfer.part_size", "p.toml, line 5: [transfer] part_size"),
            ("transfer.files", "p.toml, line 4: [transfer] files"),
            ("wechat.proxy", "p.toml: [wechat] proxy"),
            ("account.1.reserve", "p.toml, line 11: [[account]] wx2: reserve"),
            ("account.1.token.secret_env", "p.toml, line 10: [[account]] wx2: token.secret_env"),
            ("account.1", "p.toml, line 10: [[account]] wx2"),
            ("--account", "--account"),
        ] {
            assert_eq!(shown(path, &[]), format!("{expected}: it is wrong"));
        }
    }

    #[test]
    fn an_invalid_value_of_a_variable_names_the_variable_and_not_the_file() {
        let variables = [("transfer.part_size", "REPLAY_ARCHIVER_TRANSFER__PART_SIZE")];
        assert_eq!(
            shown("transfer.part_size", &variables),
            "the environment variable REPLAY_ARCHIVER_TRANSFER__PART_SIZE: [transfer] part_size: it is wrong"
        );
    }

    #[test]
    fn an_unknown_section_is_not_reported_as_part_of_another() {
        let error = refused("[store]\n[medai]\n");
        assert!(error.starts_with("p.toml, line 2: unknown field `medai`"), "{error}");
        let error = refused("[store]\nbuckt = 1\n");
        assert!(error.starts_with("p.toml, line 2: in [store]: unknown field `buckt`"), "{error}");
    }

    #[test]
    fn a_typing_error_is_reported_with_line_column_and_correction() {
        let table: [(&str, &[&str]); 24] = [
            (
                "[store]\nbucket ＝ \"a\"",
                &["line 2, column 8: ", "full-width form of =", "type = in"],
            ),
            ("[store]\nbucket = “a”", &["line 2, column 10: ", "“", "type \" in"]),
            ("[store]\nbucket = \"a”\n", &["line 2, column 12: ", "”", "type \" in"]),
            (
                "[store]\nendpoint = \"https：//h\"",
                &["line 2, column 18: [store] endpoint", "：", "type : in"],
            ),
            (
                "[store]\nbucket = \"a\u{3000}\"",
                &["line 2, column 12: [store] bucket", "ideographic space"],
            ),
            (
                "[store]\nbucket = \"a\u{200b}\"",
                &["line 2, column 12: [store] bucket", "delete it"],
            ),
            ("[store]\nbucket = \"桶\"", &["line 2, column 11: [store] bucket", "桶"]),
            ("【store】\n", &["line 1, column 1: ", "type [ in"]),
            ("# ok\n[transfer]\nfiles = ８", &["line 3, column 9: ", "digit of 8"]),
            (
                "[transfer]\nretry_for = \"３0s\"",
                &["line 2, column 14: [transfer] retry_for", "digit of 3"],
            ),
            (
                "[media]\nallow_hosts = [\"a.com，b.com\"]",
                &["line 2, column 22: [media] allow_hosts", "type , in"],
            ),
            ("[[account]]\nappid = \"ｗx1\"", &["line 2, column 10: [[account]]", "letter of w"]),
            ("[ledger]\nurl = \"sqlite：x\"", &["line 2, column 14: [ledger] url", "type : in"]),
            ("[account]\nappid = \"wx1\"", &["line 1: ", "hint: write [[account]]"]),
            ("[[store]]\nbucket = \"a\"", &["line 1: ", "hint: write [store]"]),
            ("[stores]\nbucket = \"a\"", &["line 1: ", "did you mean `store`?"]),
            ("bucket = \"a\"", &["line 1: ", "`bucket` belongs below [store]"]),
            ("[store]\nbucket = \"\"a\"\"", &["line 2: ", "bucket: ", "single pair of quotes"]),
            (
                "[images]\narchive = \"true\"",
                &["line 2: [images] archive: ", "true or false", "without quotes"],
            ),
            ("[transfer]\nretry_for = 30", &["line 2: [transfer] retry_for: ", "unit", "\"30s\""]),
            ("[transfer]\nretry_for = \"30\"", &["line 2: [transfer] retry_for: ", "\"30s\""]),
            ("[transfer]\nmemory = \"64 megs\"", &["line 2: [transfer] memory: ", "\"64MiB\""]),
            ("[transfer]\nfiles = \"8\"", &["line 2: [transfer] files: ", "without quotes"]),
            (
                "[media]\nallow_hosts = \"a.com\"",
                &["line 2: [media] allow_hosts: ", "[\"a\", \"b\"]"],
            ),
        ];
        for (text, parts) in table {
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let error = refused(&text);
                assert!(error.starts_with("p.toml, line "), "{text}: {error}");
                for part in parts {
                    assert!(error.contains(part), "{text}: no {part} in {error}");
                }
            }
        }
    }

    #[test]
    fn tabs_line_ends_and_comments_in_any_script_are_accepted() {
        let text = "# 直播“回放”\r\n[store]\r\n\tbucket\t=\t\"a\"\t# 桶：a\r\n[store2]\r\n"
            .replace("[store2]\r\n", "");
        assert_eq!(parsed(&text).unwrap().store.bucket, "a");
        let texts = "[store]\nprefix = \"直播（一）\"\n[ledger]\nurl = \"sqlite:账本.sqlite\"\n";
        assert_eq!(parsed(texts).unwrap().store.prefix, "直播（一）");
    }
}
