//! Checks of section headers and of characters in values, for which the TOML parser's own errors are hard
//! to understand.

use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Kind};
use super::origins::{Origins, line_and_column};
use super::{ConfigError, typography};

/// Checks that each section has the right kind of brackets.
pub(super) fn brackets(path: &Path, text: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let is_section = keys::all().any(|(known, _)| known.split('.').next() == Some(name));
        let meant = match value.get_ref() {
            DeValue::Table(_) if keys::SEVERAL.contains(&name) => {
                format!(
                    "[{name}] is a single table, but there may be several\nhint: write [[{name}]] with double brackets [RA008]"
                )
            }
            DeValue::Array(_) if name == "accounts" => {
                "[accounts] says where further accounts come from\nhint: write [[account]] for an account [RA008]".to_owned()
            }
            DeValue::Array(_) if is_section && !keys::SEVERAL.contains(&name) => {
                format!(
                    "there is only one [{name}] section\nhint: write [{name}] with single brackets [RA008]"
                )
            }
            _ => continue,
        };
        let line = line_and_column(text, key.span().start).0;
        let (path, suggestion) = (path.to_owned(), None);
        return Err(ConfigError::Syntax { path, line, column: None, problem: meant, suggestion });
    }
    Ok(())
}

/// Names, addresses, durations and sizes must be ASCII; paths may be in any script.
pub(super) fn characters(
    file: &Path,
    text: &str,
    table: &toml::Table,
    origins: &Origins<'_>,
) -> Result<(), ConfigError> {
    let mut texts = Vec::new();
    collect("", &Value::Table(table.clone()), &mut texts);
    for (path, value) in texts {
        let key = path.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('.');
        let kind = keys::kind(&path).or_else(|| keys::kind(key)).unwrap_or(Kind::FreeText);
        let is_free = match path.as_str() {
            "ledger.url" => super::validate::LEDGERS.iter().any(|scheme| value.starts_with(scheme)),
            _ => matches!(kind, Kind::FreeText | Kind::Command | Kind::Addresses),
        };
        let Some(found) = typography::stray_in_value(&value).filter(|_| !is_free) else { continue };
        let named = format!("{}: ", origins.shown(key));
        return Err(match origins.offset_of(&path, found) {
            Some(offset) if !origins.is_variable(key) => {
                ConfigError::stray(file, text, offset, found, &named)
            }
            _ => ConfigError::at(key, format!("unexpected {}", typography::explained(found)))
                .placed(origins),
        });
    }
    Ok(())
}

/// Collects the texts of a configuration with their key paths.
fn collect(path: &str, value: &Value, texts: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| collect(&below(key), value, texts));
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(number, item)| collect(&below(&number.to_string()), item, texts)),
        Value::String(text) => texts.push((path.to_owned(), text.clone())),
        _ => {}
    }
}
