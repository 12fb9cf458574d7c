//! Applies the values of variables on top of the file.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::keys::{self, Kind};
use super::origins::Origins;
use super::{ConfigError, ConfigFile, Environment, wording};

/// The value that one variable sets.
struct Setting<'a> {
    variable: &'a str,
    path: String,
    value: Value,
}

/// Applies the variables to the table of the file and records them as origins.
///
/// Numbers of accounts and channels start at 0 with those of the file; higher numbers append more in order.
pub(super) fn over(
    environment: &Environment,
    table: Table,
    origins: &mut Origins<'_>,
) -> Result<Table, ConfigError> {
    let settings = settings(environment, &table)?;
    let mut merged = table.clone();
    for Setting { variable, path, value } in &settings {
        set(&mut merged, path, value.clone());
        origins.set(path, variable, value.as_str().unwrap_or_default());
    }
    if merged.clone().try_into::<ConfigFile>().is_ok() {
        return Ok(merged);
    }
    // Any one of them will do for the error.
    settings.into_iter().try_fold(table, |mut table, Setting { variable, path, value }| {
        set(&mut table, &path, value);
        let wrong = |error: &toml::de::Error| ConfigError::Variable {
            name: variable.to_owned(),
            problem: wording::problem(error.message()),
            suggestion: wording::hint(error.message(), &path),
        };
        table.clone().try_into::<ConfigFile>().map(|_| table).map_err(|error| wrong(&error))
    })
}

/// Applies those variables to the table of the file that have a value of the right type.
pub(super) fn usable(environment: &Environment, mut table: Table) -> Table {
    for Setting { path, value, .. } in each(environment, &table).into_iter().filter_map(Result::ok)
    {
        set(&mut table, &path, value);
    }
    table
}

fn settings<'a>(
    environment: &'a Environment,
    table: &Table,
) -> Result<Vec<Setting<'a>>, ConfigError> {
    each(environment, table).into_iter().collect()
}

/// The variables that set keys, in the order in which they are applied, those that are wrong first.
fn each<'a>(environment: &'a Environment, table: &Table) -> Vec<Result<Setting<'a>, ConfigError>> {
    let places = keys::SEVERAL.map(|section| (section, places(environment, table, section)));
    let setting = |(variable, path, text): (&'a str, String, &str)| {
        let kind = keys::kind(&path).unwrap_or(Kind::Text);
        let wrong = |problem: String| ConfigError::Variable {
            name: variable.to_owned(),
            problem,
            suggestion: None,
        };
        let value = value(kind, text.trim()).map_err(wrong)?;
        let place = |(section, places): &(&str, BTreeMap<usize, usize>)| {
            let number = number(section, &path)?;
            Some((number, *places.get(&number)?))
        };
        let path = match places.iter().find_map(place) {
            Some((number, place)) => {
                path.replacen(&format!(".{number}."), &format!(".{place}."), 1)
            }
            None => path,
        };
        Ok(Setting { variable, path, value })
    };
    let mut settings: Vec<_> = environment.settings().map(setting).collect();
    // An account must exist before the next one can be added.
    let place = |path: &str| keys::SEVERAL.iter().find_map(|section| number(section, path));
    settings.sort_by_key(|setting: &Result<Setting<'_>, _>| {
        setting.as_ref().map_or(None, |setting| place(&setting.path))
    });
    settings
}

/// The number in the path of a key of an account or a channel.
fn number(section: &str, path: &str) -> Option<usize> {
    path.strip_prefix(section)?.strip_prefix('.')?.split('.').next()?.parse().ok()
}

/// Where the sections go that variables append, by their numbers.
fn places(environment: &Environment, table: &Table, section: &str) -> BTreeMap<usize, usize> {
    let in_file = table.get(section).and_then(Value::as_array).map_or(0, Vec::len);
    let numbers = environment.settings().filter_map(|(_, path, _)| number(section, &path));
    let added: BTreeSet<usize> = numbers.filter(|number| *number >= in_file).collect();
    added.into_iter().zip(in_file..).collect()
}

/// Sets the key at a path and creates the tables on the way.
fn set(table: &mut Table, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    if keys::SEVERAL.contains(&first) {
        let sections = table.entry(first).or_insert_with(|| Value::Array(Vec::new()));
        let (Some((number, key)), Some(sections)) = (rest.split_once('.'), sections.as_array_mut())
        else {
            return;
        };
        let number = number.parse().unwrap_or(usize::MAX).min(sections.len());
        if number == sections.len() {
            sections.push(Value::Table(Table::new()));
        }
        if let Some(section) = sections.get_mut(number).and_then(Value::as_table_mut) {
            set(section, key, value);
        }
    } else if let Some(section) =
        table.entry(first).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
    {
        set(section, rest, value);
    }
}

/// Parses the text of a variable as the type of its key. The error does not contain the text.
fn value(kind: Kind, text: &str) -> Result<Value, String> {
    let no = |expected: &str| {
        let found = if text.is_empty() { "empty, " } else { "" };
        Err(format!("{found}expected {expected}"))
    };
    let lower = text.to_ascii_lowercase();
    Ok(match kind {
        Kind::Text | Kind::FreeText => Value::String(unquoted(text)),
        Kind::Number => match as_toml(text) {
            Some(Value::Integer(number)) => Value::Integer(number),
            _ => return no("a whole number"),
        },
        Kind::Bool => match lower.as_str() {
            "true" | "1" | "yes" | "on" => Value::Boolean(true),
            "false" | "0" | "no" | "off" => Value::Boolean(false),
            _ => return no("true or false"),
        },
        Kind::Switch => match unquoted(&lower).as_str() {
            "auto" => Value::String("auto".to_owned()),
            "true" | "1" | "yes" | "on" => Value::Boolean(true),
            "false" | "0" | "no" | "off" => Value::Boolean(false),
            _ => return no("auto, on or off"),
        },
        Kind::List | Kind::Addresses | Kind::Command if text.starts_with('[') => {
            match as_toml(text) {
                Some(list @ Value::Array(_)) => list,
                _ => return no("a list such as a,b or [\"a\", \"b\"]"),
            }
        }
        Kind::List | Kind::Addresses => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(unquoted(item))).collect())
        }
        Kind::Command => Value::Array(vec![Value::String(unquoted(text))]),
    })
}

fn as_toml(text: &str) -> Option<Value> {
    toml::from_str::<Table>(&format!("value = {text}")).ok()?.remove("value")
}

/// The text without surrounding quotes, if there are any.
fn unquoted(text: &str) -> String {
    let is_quoted = text.starts_with(['"', '\'']);
    match as_toml(text).filter(|_| is_quoted) {
        Some(Value::String(inner)) => inner,
        _ => text.to_owned(),
    }
}
