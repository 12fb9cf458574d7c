//! The configuration as `config show` prints it: nothing in it can be a secret, wherever one was
//! pasted.

use serde_json::Value;

use super::suspect::{HIDDEN, is_plain_variable, shown};
use super::{ConfigFile, may_be_secret};

impl ConfigFile {
    /// The same with everything hidden that may be a secret.
    ///
    /// # Errors
    /// None that is known of: what was read can be written and read again.
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
    match key {
        // What is no name of a variable may be its value.
        "secret_key_env" | "secret_env" | "env" if !text.is_empty() && !is_plain_variable(text) => {
            HIDDEN.to_owned()
        }
        // Public, but the secret key may stand in its place.
        "access_key" if text.len() > 8 || may_be_secret(text) => {
            let begins: String = text.chars().take(4).collect();
            format!("{begins}{HIDDEN}")
        }
        _ => shown(text).into_owned(),
    }
}
