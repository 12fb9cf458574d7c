//! The configuration as `config show` prints it: without anything that may be a secret, wherever it was
//! pasted.

use serde_json::Value;

use super::ConfigFile;
use super::suspect::{HIDDEN, is_plain_path, is_plain_variable, shown};

impl ConfigFile {
    /// A copy with everything masked that may be a secret.
    ///
    /// # Errors
    /// No known input causes one: a parsed configuration can be serialised and parsed again.
    pub fn without_secrets(&self) -> Result<Self, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        hide("", &mut value);
        serde_json::from_value(value)
    }
}

fn hide(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(key, item)),
        Value::String(text) => *text = visible(key, text),
        _ => {}
    }
}

fn visible(key: &str, text: &str) -> String {
    let is_address =
        ["sqlite:", "postgres", "http://", "https://"].iter().any(|begin| text.starts_with(begin));
    let is_hidden = match key {
        _ if text.is_empty() => false,
        // Text that is not a variable name may be its value, and text that is not a path may be the
        // content of the file.
        "env" | "command_env" => !is_plain_variable(text),
        "file" => !is_plain_path(text),
        key if key.ends_with("_env") => !is_plain_variable(text),
        key if key.ends_with("_file") => !is_plain_path(text),
        "url" | "endpoint" | "base_url" | "proxy" => !is_address,
        "appid" => !text.starts_with("wx"),
        "reserve" => !text.chars().all(|c| c.is_ascii_digit() || c == '%'),
        // Addresses are masked in part when they are serialised.
        _ => text.contains("://") && text.contains('@'),
    };
    match key {
        _ if is_hidden => HIDDEN.to_owned(),
        // The access key is public, but someone may have pasted the secret key here.
        "access_key" if !text.is_empty() => {
            let begins = text.chars().take(if text.len() < 16 { 0 } else { 4 });
            begins.chain(HIDDEN.chars()).collect()
        }
        _ => shown(text).into_owned(),
    }
}
