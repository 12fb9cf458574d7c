//! The process's environment, read here and nowhere else.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;

use super::error::{suggestion, without_value};
use super::{ConfigError, ConfigFile};

/// What every variable that sets a key begins with: `REPLAY_ARCHIVER_STORE__BUCKET` sets `bucket`
/// in `[store]`.
const PREFIX: &str = "REPLAY_ARCHIVER_";

/// The environment as it was when the program started. Values can be secrets and are not shown.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Environment {
    /// The process's own environment; variables that are no UTF-8 are left out.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable that holds a secret; empty ones count as missing.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).filter(|value| !value.is_empty()).map(|value| value.as_str().into())
    }

    /// The variable that sets a key named as `[section] key`, where there is one.
    pub(super) fn overriding(&self, key: &str) -> Option<String> {
        let (section, key) = key.strip_prefix('[')?.split_once("] ")?;
        let name = format!("{PREFIX}{section}__{key}").to_ascii_uppercase();
        self.0.contains_key(&name).then_some(name)
    }

    /// The file's values with those of the variables over them.
    pub(super) fn overlay(
        &self,
        file: ConfigFile,
        text: &str,
        path: &Path,
    ) -> Result<ConfigFile, ConfigError> {
        let mut settings =
            self.0.iter().filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__"));
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))?;
        settings.try_fold(file, |_, (name, value)| {
            set(&mut table, name, value);
            let wrong = |error: toml::de::Error| ConfigError::Variable {
                name: name.clone(),
                problem: without_value(error.message()),
                suggestion: suggestion(error.message()),
            };
            table.clone().try_into::<ConfigFile>().map_err(wrong)
        })
    }
}

/// Sets the key that a variable names. A value that reads as TOML (a number, `true`, a list) is
/// taken as that, anything else as text.
fn set(table: &mut toml::Table, name: &str, value: &str) {
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let Some((section, key)) = path.split_once("__") else { return };
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
}
