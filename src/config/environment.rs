//! The process environment, which only this module reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use secrecy::SecretString;

use super::secrets::{NotUtf8, trimmed};
use super::{ConfigError, ConfigFile, NotifySection, keys};

/// The environment at program start. Values may be secrets, so `Debug` does not show them.
#[derive(Clone, Default)]
pub struct Environment {
    texts: BTreeMap<String, String>,
    /// Variables whose values are not UTF-8.
    others: BTreeMap<String, OsString>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.texts.len())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { texts: variables.into_iter().collect(), others: BTreeMap::new() }
    }
}

impl Environment {
    /// The environment of this process, without variables whose names are not UTF-8.
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.texts.insert(name, value)),
                Err(value) => drop(environment.others.insert(name, value)),
            }
        }
        environment
    }

    /// The variables that a decoder needs in order to be found and to print its messages in the user's
    /// language. It gets no proxy, because what it decodes is on this machine.
    pub fn for_decoder(&self) -> Vec<(String, OsString)> {
        const NEEDED: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"];
        self.chosen(|name| NEEDED.contains(&name))
    }

    /// The value of a variable, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<Result<&str, NotUtf8>> {
        let text = self.value(name).map(Ok);
        text.or_else(|| self.others.contains_key(name).then_some(Err(NotUtf8)))
    }

    /// A variable that may hold a secret. An empty one counts as unset.
    ///
    /// # Errors
    /// If its value cannot be a secret.
    pub(super) fn optional_secret(&self, name: &str) -> Result<Option<SecretString>, ConfigError> {
        let wrong = |problem: String| {
            let name = name.to_owned();
            ConfigError::Variable { name, problem, suggestion: None }
        };
        match self.variable(name) {
            None => Ok(None),
            Some(Ok(text)) if text.trim().is_empty() => Ok(None),
            Some(Ok(text)) => trimmed(text).map(Some).map_err(|problem| wrong(problem.to_owned())),
            Some(Err(NotUtf8)) => Err(wrong("its value is not UTF-8 text".to_owned())),
        }
    }

    /// The value of a variable, if it is set and is UTF-8.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The variables that `is_wanted` selects, whether or not their values are UTF-8.
    pub(super) fn chosen(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, OsString)> {
        let texts = self.texts.iter().map(|(name, value)| (name.clone(), value.into()));
        let others = self.others.iter().map(|(name, value)| (name.clone(), value.clone()));
        texts.chain(others).filter(|(name, _)| is_wanted(name)).collect()
    }

    /// The variables that set configuration keys, each as (name, key path, value).
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, String, &str)> {
        let setting = |(name, value)| {
            let (name, value): (&String, &String) = (name, value);
            Some((name.as_str(), keys::path_of(name)?, value.as_str()))
        };
        self.texts.iter().filter_map(setting)
    }

    /// Fails on a variable that carries our prefix but sets no key or is not UTF-8. Without this check it
    /// would be ignored silently.
    pub(super) fn check(&self, file: &ConfigFile) -> Result<(), ConfigError> {
        let tokens = || file.tokens();
        let secrets = tokens().flat_map(|token| [&token.secret_env, &token.env]).flatten();
        let platform = &file.platform;
        let shared = [&file.redis.url_env, &platform.secret_env, &platform.ticket_env];
        let shared = shared.into_iter().chain([&platform.token_env]).flatten();
        let secrets = secrets.chain([&file.store.secret_key_env]).chain(shared);
        let inherited = tokens().flat_map(|token| &token.command_env);
        let told = file.notify.iter().flat_map(NotifySection::variables);
        let told = told.chain(file.monitor.variables());
        let named = secrets.chain(inherited).map(|name| name.trim()).chain(told);
        let named: BTreeSet<_> = named.collect();
        let is_meant =
            |name: &str| keys::is_ours(name) && !keys::is_other(name) && !named.contains(name);
        let error = |name: &str, problem: &str, suggestion: Option<String>| {
            let (name, problem) = (name.to_owned(), problem.to_owned());
            Err(ConfigError::Variable { name, problem, suggestion })
        };
        if let Some(name) = self.others.keys().find(|name| is_meant(name)) {
            return error(name, "its value is not UTF-8 text", None);
        }
        match self.texts.keys().find(|name| is_meant(name) && keys::path_of(name).is_none()) {
            Some(name) => error(name, "there is no such key", Some(keys::hint(name))),
            None => Ok(()),
        }
    }
}
