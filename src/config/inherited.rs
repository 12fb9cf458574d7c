//! The environment of a token command: the usual variables and those that the configuration names. It
//! never sees this program's own secrets.

use super::secrets::must_be_set;
use super::{ConfigError, Environment};
use crate::wechat::Inherited;

/// What programs need to find each other, their files and the network. Names match in upper and lower
/// case.
const USUAL: [&str; 26] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TZDIR",
    "TMPDIR",
    "TMP",
    "TEMP",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "LD_LIBRARY_PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
];

/// The environment of the token command of the account whose `token` is at `path`.
///
/// # Errors
/// If a named variable is not set.
pub(super) fn by_command(
    environment: &Environment,
    named: &[String],
    path: &str,
) -> Result<Inherited, ConfigError> {
    let named: Vec<&str> = named.iter().map(|name| name.trim()).collect();
    for name in &named {
        let path = format!("{path}.command_env");
        let _value = must_be_set(environment, name, &path, "what the command needs")?;
    }
    Ok(environment.chosen(|name| is_usual(name) || named.contains(&name)))
}

/// Whether every command inherits a variable of this name: one that holds no secret.
pub fn is_usual(name: &str) -> bool {
    name.starts_with("LC_") || USUAL.iter().any(|usual| usual.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_command_inherits_the_usual_variables_and_the_named_ones() {
        let set = [
            "PATH",
            "LC_ALL",
            "https_proxy",
            "REDIS_URL",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "WECHAT_SECRET",
            "REPLAY_ARCHIVER_SECRET_KEY",
            "PGPASSWORD",
            "PATHS",
        ];
        let environment: Environment =
            set.map(|name| (name.to_owned(), "canary".to_owned())).into_iter().collect();
        let given = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            let given = by_command(&environment, &named, "account.0.token");
            given.map(|given| given.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        assert_eq!(given(&[]).unwrap(), ["LC_ALL", "PATH", "https_proxy"]);
        assert_eq!(given(&[" REDIS_URL"]).unwrap(), ["LC_ALL", "PATH", "REDIS_URL", "https_proxy"]);
        let missing = given(&["REDIS_URI"]).unwrap_err().to_string();
        assert!(missing.contains("the environment variable REDIS_URI is not set"), "{missing}");
        for value in ["hunter2 secret", "8d3f0a6b1c9e47725ab0c4d1e6f29b38", "redis://u:pw@h"] {
            let wrong = given(&[value]).unwrap_err().to_string();
            assert!(!wrong.contains(value) && wrong.contains("expected the name"), "{wrong}");
        }
    }
}
