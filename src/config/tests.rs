//! `pipeline.toml` at the root of the repository documents every key with its default. These tests verify
//! that and follow the steps of a new user.

mod credentials;
mod pasted;
mod reference;
mod variables;

use std::path::Path;

use super::{Config, ConfigError, ConfigFile, Environment, Sources, understand, validate};

const SHIPPED: &str = include_str!("../../pipeline.toml");

fn parse(text: &str) -> ConfigFile {
    understand(text, Some(Path::new("pipeline.toml")), &Environment::default()).unwrap().0
}

/// The file with every commented-out key and section enabled.
fn uncommented() -> String {
    let is_key = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || "_64".contains(c))
    };
    let line = |line: &'static str| {
        let is_section =
            |line: &&str| ["[[account]]", "[[notify]]", "[account.select]"].contains(line);
        line.strip_prefix("# ").filter(|line| is_key(line) || is_section(line)).unwrap_or(line)
    };
    SHIPPED.lines().map(|text| format!("{}\n", line(text))).collect()
}

fn check(file: &ConfigFile) -> Result<Config, ConfigError> {
    let environment: Environment =
        [("WECHAT_SECRET".to_owned(), "secret".to_owned())].into_iter().collect();
    let sources = Sources { file: "pipeline.toml".into(), environment, accounts: Vec::new() };
    // The template has the keys of all kinds of channels, of which none knows all.
    let file = ConfigFile { notify: Vec::new(), ..file.clone() };
    validate::config(&file, &sources)
}

#[test]
fn the_shipped_file_documents_the_defaults() {
    let text = |file: &ConfigFile| toml::to_string_pretty(file).unwrap();
    assert_eq!(text(&parse(SHIPPED)), text(&ConfigFile::default()));
}

#[test]
fn the_shipped_file_names_every_key() {
    let shown: toml::Table = toml::from_str(&uncommented()).unwrap();
    let json = serde_json::to_value(ConfigFile::default()).unwrap();
    for (section, keys) in json.as_object().unwrap() {
        for key in keys.as_object().into_iter().flat_map(serde_json::Map::keys) {
            assert!(shown[section].get(key).is_some(), "[{section}] {key} is not documented");
        }
    }
    let channel = serde_json::to_value(super::NotifySection::default()).unwrap();
    for key in channel.as_object().unwrap().keys() {
        assert!(shown["notify"][0].get(key).is_some(), "[[notify]] {key} is not documented");
    }
    let account = &shown["account"][0];
    for key in ["appid", "token", "daily_limit", "reserve"] {
        assert!(account.get(key).is_some(), "[[account]] {key} is not documented");
    }
}

#[test]
fn the_errors_lead_from_the_shipped_file_to_a_working_one() {
    let mut file = parse(SHIPPED);
    let bucket = check(&file).err().unwrap().to_string();
    assert!(bucket.contains("[store] bucket") && bucket.contains("\nhint: "), "{bucket}");
    file.store.bucket = "replays".to_owned();
    let account = check(&file).err().unwrap().to_string();
    assert!(account.contains("[[account]]") && account.contains("\nhint: "), "{account}");
    file.accounts = parse(&uncommented()).accounts;
    assert_eq!(check(&file).unwrap().accounts.len(), 1);
}

#[test]
fn absurd_numbers_are_refused_and_large_ones_accepted() {
    let shipped = uncommented().replace("bucket = \"\"", "bucket = \"replays\"");
    let table = [
        ("part_size = \"5MiB\"", "part_size = \"1MiB\"", Some("part_size")),
        ("part_size = \"5MiB\"", "part_size = \"6GiB\"", Some("part_size")),
        ("memory = \"64MiB\"", "memory = \"1MiB\"", Some("memory")),
        ("memory = \"64MiB\"", "memory = \"15EiB\"", None),
        ("files = 8", "files = 0", Some("files")),
        ("ranges = 16", "ranges = 257", Some("ranges")),
        ("connections = 16", "connections = 0", Some("connections")),
        ("attempts = 6", "attempts = 0", None),
        ("read_timeout = \"30s\"", "read_timeout = \"0s\"", Some("read_timeout")),
        ("connect_timeout = \"10s\"", "connect_timeout = \"0ms\"", Some("connect_timeout")),
        ("timeout = \"30s\"", "timeout = \"0s\"", Some("timeout")),
        ("settle = \"30m\"", "settle = \"9000000000years\"", None),
        ("daily_limit = 500", "daily_limit = 9223372036854775807", None),
    ];
    for (old, new, refused) in table {
        assert!(shipped.contains(old), "{old}");
        let outcome = check(&parse(&shipped.replacen(old, new, 1)));
        match refused {
            Some(key) => {
                let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
                assert!(error.contains(key), "{new}: {error}");
            }
            None => {
                let config = outcome.unwrap_or_else(|error| panic!("{new}: {error}"));
                let share = config.accounts[0].share;
                assert!(share.reserve.of(u64::MAX) <= u64::MAX / 2, "{new}");
            }
        }
    }
}

#[test]
fn config_show_prints_addresses_without_their_passwords() {
    for address in [
        "postgres://user:s3cret@host/db",
        "postgres://user:s3c/ret@host/db",
        "postgres://user:12/s3cret@host/db",
        "postgres://user:s3#cret@host/db",
        "postgres://user:s3?cret@host/db",
        "postgres://host/db?password=s3cret",
        "http://:s3cret@proxy:3128",
        "http://proxy:3128/#s3cret",
        "user:s3cret@host",
    ] {
        let shown = super::file::shown_url(address);
        for part in ["s3cret", "s3c", "cret", "s3"] {
            assert!(!shown.contains(part), "{address}: {shown}");
        }
    }
    for plain in ["sqlite:/home/a@b/ledger.sqlite", "http://10.0.0.1:3128", "", "postgres://u@h/db"]
    {
        assert_eq!(super::file::shown_url(plain), plain);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let file = "[store]\nbucket = \"b\"\n[[account]]\nappid = \"wx1\"\ntoken = \"s3cret\"\n";
    let error = understand(file, Some(Path::new("p.toml")), &Environment::default());
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("p.toml, line 5") && error.contains("text, expected"), "{error}");
    assert!(error.contains("write token = { secret_env"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_missing_token_is_not_called_a_secret_or_a_file() {
    let mut file = parse(&uncommented());
    file.store.bucket = "replays".to_owned();
    file.accounts[0].token = toml::from_str("source = 'env'\nenv = 'TOKEN'").unwrap();
    let error = check(&file).err().unwrap().to_string();
    assert!(error.contains("token.env: the environment variable TOKEN is not set"), "{error}");
    assert!(error.ends_with("hint: set it to an access token [RA102]"), "{error}");
}

#[test]
fn a_lease_shorter_than_15_seconds_or_longer_than_a_day_is_refused() {
    let mut file = parse(&uncommented());
    file.store.bucket = "replays".to_owned();
    for (seconds, possible) in [(14, false), (15, true), (86_400, true), (86_401, false)] {
        file.ledger.lease = std::time::Duration::from_secs(seconds);
        let checked = check(&file);
        assert_eq!(checked.is_ok(), possible, "{seconds}");
        let error = checked.err().map(|error| error.to_string());
        assert!(
            error.is_none_or(|error| error.contains("[ledger] lease: must be between 15s and 24h"))
        );
    }
}

#[test]
fn the_encoding_of_a_file_that_is_not_utf_8_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.toml");
    let load = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        super::load_file(&file, &Environment::default()).map_err(|error| error.to_string())
    };
    let utf16: Vec<u8> = "\u{feff}[store]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = load(&utf16).unwrap_err();
    assert!(
        error.contains("pipeline.toml: the file is UTF-16 text\nhint: save it as UTF-8"),
        "{error}"
    );
    let error = load(b"[store]\n# \xce\xa2\xd0\xc5\n").unwrap_err();
    assert!(error.contains("pipeline.toml, line 2: the file is probably GBK text"), "{error}");
    assert!(error.contains("`iconv -f GBK -t UTF-8`"), "{error}");
    assert_eq!(load(b"\xef\xbb\xbf[store]\r\nbucket = \"a\"\r\n").unwrap().store.bucket, "a");
}
