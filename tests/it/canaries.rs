//! Secrets that every world under test works with, and that may turn up nowhere.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, Once};

use replay_archiver::cli::logging::{self, Format};

use crate::bucket::holds;

pub const APP_SECRET: &str = "canary-appsecret-8c1f0a2b";
pub const TOKEN: &str = "canary-token-77aa31c4f09be2d855aa01c4f09be2d8";
pub const STORE_SECRET: &str = "canary-store-secret-55e0";
pub const SESSION_TOKEN: &str = "canary-session-token-0d6e";
pub const PROXY_PASSWORD: &str = "canary-proxy-password-41c7";
pub const LEDGER_PASSWORD: &str = "canary-ledger-password-9b3a";
pub const API_KEY: &str = "canary-api-key-2fd1";

pub const ALL: [&str; 7] =
    [APP_SECRET, TOKEN, STORE_SECRET, SESSION_TOKEN, PROXY_PASSWORD, LEDGER_PASSWORD, API_KEY];

/// What a signed URL, a call with a token and a signed request have in them.
pub const TRACES: [&str; 5] = ["sign=", "access_token=", "X-Amz-Signature=", "&us=", "AWS4-HMAC"];

/// No secret is among the bytes of `what`.
#[track_caller]
pub fn check(what: &str, bytes: &[u8]) {
    for canary in ALL {
        assert!(!holds(bytes, canary), "{canary} in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

/// No secret is in any file below `folder`, whatever it is for: ledgers and their journals,
/// objects, and what the store keeps of objects. Files of these names are left out.
#[track_caller]
pub fn check_folder(folder: &Path, but: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            check_folder(&path, but);
        } else if !but.contains(&name) {
            // A journal may vanish at any time.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let found = ALL.iter().find(|canary| holds(&bytes, canary));
            assert_eq!(found, None, "{}", path.display());
            let is_media = [".mp4", ".ts", ".jpg"].iter().any(|ending| name.ends_with(ending));
            let traced = TRACES.iter().find(|trace| !is_media && holds(&bytes, trace));
            assert_eq!(traced, None, "{}", path.display());
        }
    }
}

/// Lines that were logged and hold a secret.
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if ALL.iter().chain(&TRACES).any(|secret| holds(line, secret)) {
            LEAKS.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on everything this process logs, at every level, is looked through.
pub fn watch_logs() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let subscriber = logging::subscriber("trace,x=off", Format::Text, || Lines, false);
        tracing::dispatcher::set_global_default(subscriber).unwrap();
    });
}

/// No test of this process has logged a secret so far.
#[track_caller]
pub fn check_logs() {
    let leaks = LEAKS.lock().unwrap();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
