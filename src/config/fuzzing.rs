//! The fuzz target of the configuration.

use std::path::Path;

use super::{Config, Environment, Sources, understand, validate};

/// A secret that no error may show.
const SECRET: &str = "canary-secret-8c1f0a2b";

/// Loads a file; the text after a line `---` becomes the value of a variable that overrides it.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Loading reads the files that a configuration names, and a file that a fuzzer names might never end.
    if text.contains("_file") {
        return;
    }
    let (text, value) = text.split_once("\n---\n").unwrap_or((text, "8MiB"));
    let path = Path::new("pipeline.toml");
    let variables = [
        ("REPLAY_ARCHIVER_TRANSFER__PART_SIZE", value),
        ("REPLAY_ARCHIVER_SECRET_KEY", SECRET),
        ("SECRET", SECRET),
    ];
    let environment: Environment =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let understood = understand(text, Some(path), &environment).map_err(|error| error.to_string());
    let Ok((file, origins)) = understood else { return };
    let shown = file.without_secrets().unwrap_or_default();
    let _ = toml::to_string_pretty(&shown).map(|shown| assert!(!shown.contains(SECRET)));
    let sources =
        Sources { file: path.to_owned(), environment: environment.clone(), accounts: Vec::new() };
    match validate::config(&file, &sources) {
        Ok(config) => usable(&config),
        Err(error) => {
            let error = error.placed(&origins);
            assert!(!format!("{error} {error:?}").contains(SECRET));
        }
    }
}

/// An accepted configuration has no absurd values.
fn usable(config: &Config) {
    let work = &config.work;
    assert!((5 << 20..=5 << 30).contains(&work.part_bytes) && work.memory >= work.part_bytes);
    assert!((1..=256).contains(&work.files) && (1..=256).contains(&work.ranges));
    assert!(!config.wechat.timeout.is_zero() && !config.media.timeouts.read.is_zero());
    for account in &config.accounts {
        assert!(account.share.reserve.of(account.share.daily_limit) <= account.share.daily_limit);
    }
}
