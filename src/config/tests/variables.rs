//! Variables on top of the file, and without a file.

use super::pasted::PASTED_INTO;
use crate::config::{self, Config, ConfigError, Environment, Sources};

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    over_a_file("nowhere/pipeline.toml", variables)
}

fn over_a_file(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    config::load(&sources(file, variables))
}

/// A file with variables on top. The names of those that set no key begin with `$`.
pub(super) fn sources(file: &str, variables: &[(&str, &str)]) -> Sources {
    let variables = variables.iter().map(|(name, value)| {
        let name =
            name.strip_prefix('$').map_or_else(|| format!("REPLAY_ARCHIVER_{name}"), str::to_owned);
        (name, (*value).to_owned())
    });
    let environment: Environment = variables.collect();
    Sources { file: file.into(), environment, accounts: Vec::new() }
}

pub(super) const CONTAINER: [(&str, &str); 6] = [
    ("STORE__BUCKET", "replays"),
    ("ACCOUNT__0__APPID", "wx1"),
    ("ACCOUNT__0__TOKEN__SECRET_ENV", "APP_SECRET"),
    ("ACCOUNT__1__APPID", "wx2"),
    ("ACCOUNT__1__TOKEN__SECRET_ENV", "APP_SECRET"),
    ("$APP_SECRET", "s3cret\r\n"),
];

#[test]
fn a_container_needs_no_file() {
    let config = from_environment(&CONTAINER).unwrap();
    let appids: Vec<_> = config.accounts.iter().map(|account| account.appid.as_str()).collect();
    assert_eq!((config.store.bucket.as_str(), appids), ("replays", vec!["wx1", "wx2"]));
    let with =
        |more: &[(&'static str, &'static str)]| from_environment(&[&CONTAINER[..], more].concat());
    let config = with(&[
        ("MEDIA__ALLOW_HOSTS", "a.example.com, *.b.example.com,"),
        ("IMAGES__ARCHIVE", "FALSE"),
        ("STORE__PATH_STYLE", "true"),
        ("STORE__PREFIX", "2026"),
        ("TRANSFER__FILES", "3 # few"),
        ("TRANSFER__MEMORY", "\"128MiB\""),
        ("QUOTA__RESERVE", "50"),
        ("ACCOUNT__7__APPID", "wx3"),
        ("ACCOUNT__7__TOKEN__SOURCE", "command"),
        ("ACCOUNT__7__TOKEN__COMMAND", "[\"get-token\", \"a,b\"]"),
        ("ACCOUNT__7__DAILY_LIMIT", "1000"),
    ])
    .unwrap();
    assert!(config.images.is_none() && config.work.files == 3);
    assert_eq!((config.store.prefix.as_str(), config.work.memory), ("2026", 128 << 20));
    assert_eq!((config.accounts.len(), config.accounts[2].share.daily_limit), (3, 1000));
    assert!(with(&[("IMAGES__ARCHIVE", "false"), ("MEDIA__ALLOW_HOSTS", "[\"a.com\"]")]).is_ok());
    for (name, value, problem) in [
        ("TRANSFER__FILES", "many", "expected a whole number"),
        ("TRANSFER__FILES", "", "empty, expected a whole number"),
        ("TRANSFER__FILES", "0", "between 1 and 256"),
        ("TRANSFER__RETRY_FOR", "30", "needs a unit"),
        ("IMAGES__ARCHIVE", "maybe", "expected true or false"),
        ("STORE__CRC64NVME", "maybe", "auto, on or off"),
        ("STORE__ENDPOINT", "https：//h", "type : instead"),
        ("ACCOUNT__1__APPID", "wx1", "configured twice"),
        ("ACCOUNT__0__APPID", " wx 1 ", "not an appid"),
        ("STORE__BUCKET", "", "[store] bucket: missing"),
        ("WHOLE__ARCHIVE", "allways", "did you mean `always`?"),
    ] {
        let error = with(&[(name, value)]).err().map(|error| error.to_string()).unwrap_or_default();
        let place = format!("the environment variable REPLAY_ARCHIVER_{name}: ");
        assert!(error.starts_with(&place) && error.contains(problem), "{name}={value}: {error}");
    }
}

#[test]
fn a_variable_that_sets_no_key_is_an_error() {
    for (name, meant) in [
        ("STORE_BUCKET", "did you mean REPLAY_ARCHIVER_STORE__BUCKET?"),
        ("STORE__BUKET", "did you mean REPLAY_ARCHIVER_STORE__BUCKET?"),
        ("ACCOUNT", "did you mean REPLAY_ARCHIVER_ACCOUNT__0__APPID?"),
        ("ACCOUNT__X__APPID", "did you mean REPLAY_ARCHIVER_ACCOUNT__0__APPID?"),
        ("$replay_archiver_store__bucket", "did you mean REPLAY_ARCHIVER_STORE__BUCKET?"),
    ] {
        let error = from_environment(&[&CONTAINER[..], &[(name, "x")]].concat());
        let error = error.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("there is no such key\nhint: ") && error.contains(meant), "{error}");
    }
    let others = [
        ("CONFIG", "x"),
        ("LOG", "info"),
        ("SECRET_KEY", "x"),
        ("SESSION_TOKEN", "x"),
        ("TEST_POSTGRES", "x"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("ACCOUNT__2__APPID", "wx3"),
        ("ACCOUNT__2__TOKEN__SECRET_ENV", "REPLAY_ARCHIVER_MY_OWN"),
        ("MY_OWN", "s3cret"),
    ];
    assert_eq!(from_environment(&[&CONTAINER[..], &others].concat()).unwrap().accounts.len(), 3);
}

#[test]
fn variables_change_the_accounts_of_the_file_and_add_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, PASTED_INTO.replace("\"KEY\"", "\"APP_SECRET\"")).unwrap();
    let file = file.to_str().unwrap();
    let config = over_a_file(
        file,
        &[
            ("ACCOUNT__0__TOKEN__SECRET_ENV", "APP_SECRET"),
            ("ACCOUNT__0__DAILY_LIMIT", "7"),
            ("ACCOUNT__5__APPID", "wx2"),
            ("ACCOUNT__5__TOKEN__SECRET_ENV", "APP_SECRET"),
            ("$APP_SECRET", "s3cret"),
        ],
    )
    .unwrap();
    let accounts = config.accounts.iter().map(|a| (a.appid.as_str(), a.share.daily_limit));
    assert_eq!(accounts.collect::<Vec<_>>(), [("wx1", 7), ("wx2", 500)]);
    let error = over_a_file(file, &[("$APP_SECRET", "s3cret"), ("$APP", " \n")]);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("line 11: [[account]] wx1: token.secret_env"), "{error}");
    assert!(error.contains("the environment variable APP is empty"), "{error}");
    let nothing = from_environment(&[("SECRET_KEY", "x")]).err().unwrap().to_string();
    assert!(nothing.contains("nowhere/pipeline.toml"), "{nothing}");
}
