//! A secret, or anything else, pasted into the wrong place.

use std::path::Path;

use super::check;
use crate::config::{Environment, Sources, understand, validate};

/// Secrets in the formats of WeChat and of stores.
const PASTED: [&str; 5] = [
    "8d3f0a6b1c9e47725ab0c4d1e6f29b38",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
    "Gu5t9xGARNpq86cd98joQYCN3Cozk1qA",
    "5ec7a1b05ec7a1b05ec7a1b05ec7a1b05ec7a1b05ec7a1b05ec7a1b05ec7a1b0",
    "canary-secret-8c1f0a2b",
];

/// A password chosen by a person, which looks like a name.
const PASSWORD: &str = "hunter2secret";

/// Places that accept any name, so that a password cannot be distinguished from one.
const FOR_NAMES: [&str; 7] = [
    "region = ",
    "allow_hosts",
    "command = ",
    "[SECRET]",
    "SECRET = \"KEY\"",
    "folder = ",
    ", key = ",
];

/// Every place of the configuration where a person may paste a secret: (text, replacement).
const PLACES: [(&str, &str); 38] = [
    ("secret_key_env = \"KEY\"", "secret_key_env = \"SECRET\""),
    ("secret_key_env = \"KEY\"", "secret_key_file = \"SECRET\""),
    ("secret_key_env = \"KEY\"", "secret_key = \"SECRET\""),
    ("secret_key_env = \"KEY\"", "SECRET = \"KEY\""),
    ("secret_key_env = \"KEY\"", "secret_key_env = SECRET"),
    ("secret_key_env = \"KEY\"", "secret_key_env = “SECRET”"),
    ("secret_key_env = \"KEY\"", "secret_key_env = \"SECRET"),
    ("secret_key_env = \"KEY\"", "SECRET"),
    ("access_key = \"access\"", "access_key = \"SECRET\""),
    ("\"https://store\"", "\"https://access:SECRET@store\""),
    ("\"https://store\"", "\"https://store/?key=SECRET\""),
    ("\"https://store\"", "\"SECRET\""),
    ("bucket = \"replays\"", "bucket = \"replays\"\npath_style = \"SECRET\""),
    ("bucket = \"replays\"", "bucket = \"replays\"\nregion = \"SECRET\""),
    ("bucket = \"replays\"", "bucket = \"s3://access:SECRET@replays\""),
    ("url = \"sqlite:x\"", "url = \"postgres://user:SECRET@host/db\""),
    ("url = \"sqlite:x\"", "url = \"postgres://host/db?password=SECRET\""),
    ("url = \"sqlite:x\"", "url = \"SECRET\""),
    ("url = \"sqlite:x\"", "url = \"sqlite:x\"\nlease = \"SECRET\""),
    ("[media]", "[media]\nproxy = \"http://user:SECRET@proxy:3128\""),
    ("[media]", "[media]\nproxy = \"SECRET\""),
    ("[media]", "[media]\nallow_hosts = [\"SECRET\"]"),
    ("[media]", "[SECRET]"),
    ("[media]", "[accounts]\nfolder = \"SECRET\"\n[media]"),
    ("[media]", "[redis]\nurl_env = \"SECRET\"\n[media]"),
    ("[media]", "[transfer]\nmemory = \"SECRET\"\n[media]"),
    ("appid = \"wx1\"", "appid = \"SECRET\""),
    ("appid = \"wx1\"", "appid = \"wx1\"\nappsecret = \"SECRET\""),
    ("appid = \"wx1\"", "appid = \"wx1\"\nreserve = \"SECRET\""),
    ("{ secret_env = \"APP\" }", "{ secret_env = \"SECRET\" }"),
    ("{ secret_env = \"APP\" }", "{ secret_file = \"SECRET\" }"),
    ("{ secret_env = \"APP\" }", "{ source = \"SECRET\", secret_env = \"APP\" }"),
    ("{ secret_env = \"APP\" }", "{ source = \"command\", command = [\"SECRET\", \"SECRET\"] }"),
    (
        "{ secret_env = \"APP\" }",
        "{ source = \"command\", command = [\"true\"], command_env = [\"SECRET\"] }",
    ),
    ("{ secret_env = \"APP\" }", "{ source = \"url\", url = \"https://h/SECRET?token=SECRET\" }"),
    ("{ secret_env = \"APP\" }", "{ source = \"env\", env = \"SECRET\" }"),
    ("{ secret_env = \"APP\" }", "{ source = \"redis\", key = \"SECRET\" }"),
    ("{ secret_env = \"APP\" }", "\"SECRET\""),
];

pub(super) const PASTED_INTO: &str = "[ledger]\nurl = \"sqlite:x\"\n[store]\nbucket = \"replays\"\n\
    endpoint = \"https://store\"\naccess_key = \"access\"\nsecret_key_env = \"KEY\"\n[media]\n\
    [[account]]\nappid = \"wx1\"\ntoken = { secret_env = \"APP\" }\n";

#[test]
fn a_secret_is_not_shown_wherever_it_was_pasted() {
    let set = |name: &str| (name.to_owned(), "hidden-value".to_owned());
    let environment: Environment = [set("KEY"), set("APP")].into_iter().collect();
    let path = Path::new("p.toml");
    let mut refused = 0;
    for secret in PASTED.into_iter().chain([PASSWORD]) {
        for (old, new) in PLACES {
            if secret == PASSWORD && FOR_NAMES.iter().any(|name| new.contains(name)) {
                continue;
            }
            assert!(PASTED_INTO.contains(old), "{old}");
            let text = PASTED_INTO.replacen(old, &new.replace("SECRET", secret), 1);
            let shown = match understand(&text, Some(path), &environment) {
                Err(error) => error.to_string(),
                Ok((file, origins)) => {
                    let file_shown = file.without_secrets().unwrap();
                    let sources = Sources {
                        file: path.to_owned(),
                        environment: environment.clone(),
                        accounts: Vec::new(),
                    };
                    let error = validate::config(&file, &sources).err();
                    refused += u32::from(error.is_some());
                    let error = error.map(|error| error.placed(&origins).to_string());
                    format!(
                        "{}{}{error:?}",
                        toml::to_string_pretty(&file_shown).unwrap(),
                        serde_json::to_string(&file_shown).unwrap()
                    )
                }
            };
            for part in [secret, secret.get(6..).unwrap()] {
                assert!(!shown.contains(part), "{new}: {part} in {shown}");
            }
        }
    }
    assert!(refused > 50, "what cannot be right is refused: {refused}");
}

#[test]
fn the_error_for_a_secret_in_place_of_its_variable_says_what_to_write() {
    let environment = Environment::default();
    for secret in ["8d3f0a6b1c9e47725ab0c4d1e6f29b38", "AKIAIOSFODNN7EXAMPLE", "not-a-variable"] {
        let text = PASTED_INTO.replace("\"KEY\"", &format!("\"{secret}\""));
        let (file, origins) = understand(&text, Some(Path::new("p.toml")), &environment).unwrap();
        let error = check(&file).err().unwrap().placed(&origins).to_string();
        assert!(error.starts_with("p.toml, line 7: [store] secret_key_env: "), "{error}");
        assert!(error.contains("hint: expected the name of the variable"), "{error}");
    }
}

#[test]
fn a_value_that_belongs_to_another_key_is_recognised() {
    let environment: Environment = [("KEY", "0"), ("APP", "1")]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into_iter()
        .collect();
    for (old, new, problem) in [
        ("\"replays\"", "\"s3://replays\"", "line 4: [store] bucket: this is an address"),
        ("\"replays\"", "\"replays/wechat\"", "a common prefix of all keys goes to prefix"),
        (
            "\"replays\"",
            "\"replays-1.cos.ap-guangzhou.myqcloud.com\"",
            "it contains the store's address",
        ),
        ("\"replays\"", "\"'replays'\"", "quotes"),
        ("\"https://store\"", "\"store.example.com\"", "hint: write \"https://store.example.com\""),
        ("\"https://store\"", "\"localhost:9000\"", "hint: write \"https://localhost:9000\""),
        (
            "\"https://store\"",
            "\"https://replays.cos.ap-x.myqcloud.com\"",
            "hint: leave the name out: \"https://cos.ap-x.myqcloud.com\"",
        ),
        ("\"wx1\"", "\" wx1\"", "line 10: [[account]]"),
        ("\"wx1\"", "\"gh_1a2b3c4d5e6f\"", "original id"),
        ("\"wx1\"", "\"\"", "the appid is missing"),
        ("appid = \"wx1\"\n", "", "line 9: [[account]] appid: the appid is missing"),
        (
            "[[account]]",
            "[[account]]\nappid = \"wx1\"\ntoken = { secret_env = \"APP\" }\n[[account]]",
            "line 13: [[account]] appid: wx1 is configured twice",
        ),
        ("\"KEY\"", "\"\"", "no variable is configured"),
        ("\"sqlite:x\"", "\"sqlite:\"", "must begin with sqlite:"),
    ] {
        let text = PASTED_INTO.replacen(old, new, 1);
        let (file, origins) = understand(&text, Some(Path::new("p.toml")), &environment).unwrap();
        let sources = Sources {
            file: "p.toml".into(),
            environment: environment.clone(),
            accounts: Vec::new(),
        };
        let error = validate::config(&file, &sources).err().unwrap().placed(&origins).to_string();
        assert!(error.starts_with("p.toml, line ") && error.contains(problem), "{new}: {error}");
    }
}
