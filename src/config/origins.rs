//! Where each key was set: a line of the file or a variable.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys;

/// Where each key of a configuration was set, by key path such as `account.0.token.secret_env`.
#[derive(Debug)]
pub(super) struct Origins<'a> {
    file: Option<&'a Path>,
    text: &'a str,
    spans: BTreeMap<String, Spans>,
    variables: BTreeMap<String, String>,
    /// The appid of an account, the kind of a channel.
    names: BTreeMap<String, String>,
}

/// Where a key is in the file.
#[derive(Debug, Clone)]
struct Spans {
    key: usize,
    value: Range<usize>,
}

impl<'a> Origins<'a> {
    /// The origins of a file's keys. Without a file there are none yet.
    pub(super) fn of_file(file: Option<&'a Path>, text: &'a str, table: &DeTable<'_>) -> Self {
        let (spans, variables, names) = Default::default();
        let mut origins = Self { file, text, spans, variables, names };
        origins.note_table("", table);
        origins
    }

    fn note_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = if path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{path}.{}", key.get_ref())
            };
            self.note(path, key.span().start, value.get_ref(), value.span());
        }
    }

    fn note(&mut self, path: String, key: usize, value: &DeValue<'_>, span: Range<usize>) {
        match value {
            DeValue::Table(table) => self.note_table(&path, table),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    let is_section = keys::SEVERAL.contains(&path.as_str());
                    let at = if is_section { item.span().start } else { key };
                    self.note(format!("{path}.{number}"), at, item.get_ref(), item.span());
                }
            }
            DeValue::String(text) => self.note_name(&path, text),
            _ => {}
        }
        self.spans.insert(path, Spans { key, value: span });
    }

    fn note_name(&mut self, path: &str, text: &str) {
        let of_channel = path.strip_suffix(".kind").filter(|path| path.starts_with("notify."));
        if let Some(section) = path.strip_suffix(".appid").or(of_channel) {
            self.names.insert(section.to_owned(), text.to_owned());
        }
    }

    /// Records that a variable set a key.
    pub(super) fn set(&mut self, path: &str, variable: &str, value: &str) {
        self.note_name(path, value);
        self.variables.insert(path.to_owned(), variable.to_owned());
    }

    /// Whether a variable set the key.
    pub(super) fn is_variable(&self, path: &str) -> bool {
        self.variables.contains_key(path)
    }

    /// The place of a key, or of the closest parent, as a prefix for an error; empty for a flag.
    pub(super) fn place(&self, path: &str) -> String {
        if path.starts_with('-') || path.is_empty() {
            return String::new();
        }
        let around =
            std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(up, _)| up));
        for path in around {
            if let Some(variable) = self.variables.get(path) {
                return format!("the environment variable {variable}: ");
            }
            if let Some(spans) = self.spans.get(path) {
                let line = line_and_column(self.text, spans.key).0;
                return self
                    .file
                    .map_or_else(String::new, |file| format!("{}, line {line}: ", file.display()));
            }
        }
        self.file.map_or_else(String::new, |file| format!("{}: ", file.display()))
    }

    /// The key as errors show it.
    pub(super) fn shown(&self, path: &str) -> String {
        let end = path.match_indices('.').nth(1).map_or(path.len(), |(end, _)| end);
        let section = path.get(..end).unwrap_or(path);
        keys::shown(path, self.names.get(section).map(String::as_str))
    }

    /// The path of the key whose value is at an offset of the file.
    pub(super) fn path_at(&self, offset: usize) -> Option<&str> {
        let holds = |spans: &&Spans| spans.value.contains(&offset);
        let smallest = self
            .spans
            .iter()
            .filter(|(_, spans)| holds(spans))
            .min_by_key(|(_, spans)| spans.value.len());
        smallest.map(|(path, _)| path.as_str())
    }

    /// The offset of a character within the value of a key in the file.
    pub(super) fn offset_of(&self, path: &str, found: char) -> Option<usize> {
        let value = self.spans.get(path)?.value.clone();
        Some(value.start + self.text.get(value)?.find(found)?)
    }
}

/// The line and column of an offset, both from 1, counted in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}
