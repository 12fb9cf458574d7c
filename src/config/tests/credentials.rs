//! Files among the credentials of a systemd service.

use std::collections::BTreeSet;
use std::path::Path;

use super::variables::{CONTAINER, sources};
use crate::config::{self, Sources, keys};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const URL: &str = "https://hc.example.com/ping";

/// A key that names a file, what the file has to hold, and the variables that make the program read it.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// A platform.
const PLATFORM: (&str, &str) = ("PLATFORM__COMPONENT_APPID", "wx9");

/// That this program refreshes its tokens.
const HERE: (&str, &str) = ("PLATFORM__ONLY_REFRESHER", "true");

/// An account that says nothing of its token.
const OTHER: (&str, &str) = ("ACCOUNT__2__APPID", "wx3");

const ROWS: [Row; 17] = [
    ("store.secret_key_file", KEY, &[("STORE__ACCESS_KEY", "access")]),
    ("serve.token_file", KEY, &[]),
    ("serve.link_key_file", KEY, &[]),
    (
        "serve.sign_key_file",
        KEY,
        &[
            ("SERVE__MEDIA", "base_url"),
            ("SERVE__BASE_URL", "https://cdn.example.com/"),
            ("SERVE__SIGN", "tencent-a"),
        ],
    ),
    ("monitor.healthchecks_url_file", URL, &[]),
    ("monitor.uptime_kuma_url_file", URL, &[]),
    ("account.0.token.secret_file", KEY, &[]),
    ("account.0.token.file", KEY, &[("ACCOUNT__0__TOKEN__SOURCE", "file")]),
    (
        "redis.url_file",
        "redis://user:hunter2@redis.example.com:6379/0",
        &[("ACCOUNT__0__TOKEN__SOURCE", "redis"), ("ACCOUNT__0__TOKEN__KEY", "k")],
    ),
    (
        "platform.secret_file",
        KEY,
        &[PLATFORM, HERE, ("PLATFORM__TICKET_ENV", "TICKET"), ("$TICKET", KEY)],
    ),
    (
        "platform.ticket_file",
        KEY,
        &[PLATFORM, HERE, ("PLATFORM__SECRET_ENV", "PLATFORM_SECRET"), ("$PLATFORM_SECRET", KEY)],
    ),
    ("platform.token_file", KEY, &[PLATFORM]),
    ("accounts.token.secret_file", KEY, &[OTHER]),
    ("accounts.token.file", KEY, &[OTHER, ("ACCOUNTS__TOKEN__SOURCE", "file")]),
    ("notify.0.url_file", URL, &[("NOTIFY__0__KIND", "wecom")]),
    (
        "notify.0.secret_file",
        KEY,
        &[("NOTIFY__0__KIND", "feishu"), ("NOTIFY__0__URL_ENV", "URL"), ("$URL", URL)],
    ),
    (
        "notify.0.smtp_url_file",
        "smtps://ops:hunter2@mail.example.com",
        &[
            ("NOTIFY__0__KIND", "mail"),
            ("NOTIFY__0__FROM", "a@example.com"),
            ("NOTIFY__0__TO", "b@example.com"),
        ],
    ),
];

/// The variables of a row whose key names `path`, with the credentials in `folder`.
fn of_row((key, _, more): Row, path: &str, folder: &str) -> Sources {
    let variable = keys::variable(key).replace(keys::PREFIX, "");
    let own = [(variable.as_str(), path), ("$CREDENTIALS_DIRECTORY", folder)];
    sources("nowhere/pipeline.toml", &[&CONTAINER[..], more, &own].concat())
}

/// What `run` and `serve` say of a configuration; nothing if they accept it.
fn refused(sources: &Sources) -> String {
    let run = config::load(sources).map(drop);
    let serve = config::load_serving(sources, None).map(drop);
    run.and(serve).map_or_else(|error| error.to_string(), |()| String::new())
}

/// The files with secrets that `doctor` looks at.
fn has_secret_file(sources: &Sources, file: &Path) -> bool {
    let loaded = config::load_file(&sources.file, &sources.environment).unwrap();
    loaded.secret_files(&sources.environment).any(|found| found == file)
}

#[test]
fn every_key_that_names_a_secret_file_takes_a_credential() {
    let names_file = |key: &&str| key.ends_with("_file") || key.ends_with(".file");
    let all: BTreeSet<_> = keys::all().map(|(key, _)| key).filter(names_file).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(key, ..)| key.replace(".0.", ".*.")).collect();
    assert_eq!(rows.iter().map(String::as_str).collect::<BTreeSet<_>>(), all);
    for row in ROWS {
        let (key, content, _) = row;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, content).unwrap();
        let folder = folder.path().to_str().unwrap();
        for path in ["$CREDENTIALS_DIRECTORY/secret", "${CREDENTIALS_DIRECTORY}/secret"] {
            let there = of_row(row, path, folder);
            assert_eq!(refused(&there), "", "{key}");
            assert!(has_secret_file(&there, &file), "{key}");
            let without = of_row(row, path, "");
            let error = refused(&without);
            let names_key = error.contains(&keys::variable(key));
            let problem = "variable CREDENTIALS_DIRECTORY is not set\nhint: systemd sets it";
            assert!(names_key && error.contains(problem), "{key}: {error}");
            assert!(!has_secret_file(&without, &file), "{key}");
        }
    }
}

#[test]
fn a_credential_that_is_not_there_and_another_variable_are_told_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let [row, ..] = ROWS;
    for (path, parts) in [
        (
            "$CREDENTIALS_DIRECTORY/none",
            [folder, "hint: the service needs LoadCredential=none:PATH"],
        ),
        ("$HOME/none", ["failed to read $HOME/none", "only $CREDENTIALS_DIRECTORY is expanded"]),
        ("$CREDENTIALS_DIRECTORY2/none", ["DIRECTORY2/none", "only $CREDENTIALS_DIRECTORY is"]),
        (
            "/none/$CREDENTIALS_DIRECTORY/none",
            ["failed to read /none/$", "hint: expected the path"],
        ),
    ] {
        let error = refused(&of_row(row, path, folder));
        assert!(parts.iter().all(|part| error.contains(part)), "{path}: {error}");
    }
}

#[test]
fn the_credentials_of_another_service_are_not_needed() {
    let account = ("ACCOUNT__0__TOKEN__SECRET_FILE", "$CREDENTIALS_DIRECTORY/appsecret");
    let serve = ("SERVE__TOKEN_FILE", "$CREDENTIALS_DIRECTORY/tokens");
    let with = |more| sources("nowhere/pipeline.toml", &[&CONTAINER[..], &[more]].concat());
    assert!(config::load_serving(&with(account), None).is_ok());
    assert!(config::load(&with(serve)).is_ok());
}
