//! Somewhere to run the program, and its secrets, which may turn up nowhere.

use std::process::Stdio;
use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{EmbeddedStore, Listen, Sandbox};
use tokio::process::Command;

const APP_SECRET: &str = "canary-appsecret-8c1f0a2b";
const TOKEN: &str = "canary-token-77aa31c4f09be2d855aa01c4f09be2d8";
const STORE_SECRET: &str = "canary-store-secret-55e0";

/// What a collector asks of whoever sends.
pub const KEY: &str = "canary-collector-key-3c41";

/// Secrets, and what only a signed URL, a call with a token or a signed request has in it.
const SECRETS: [&str; 9] = [
    APP_SECRET,
    TOKEN,
    STORE_SECRET,
    KEY,
    "sign=",
    "access_token=",
    "X-Amz-Signature=",
    "&us=",
    "AWS4-HMAC",
];

/// Room 1: two segments and a whole that covers them; room 2: a whole alone. All are archived.
pub const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
signed = \"2h\"
[[account.room.replay]]
[[account.room.replay]]
kind = \"whole\"
seconds = 8
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 6
signed = \"2h\"
";

/// Room 11: a segment that the media host does not have.
pub const GONE: &str = "
[[account.room]]
id = 11
start = \"-7d\"
[[account.room.replay]]
signed = \"2h\"
[[fault]]
on = \"vod\"
room = 11
times = \"always\"
then = { status = { code = 404 } }
";

/// No command takes longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(180);

/// No secret is among these bytes.
#[track_caller]
pub fn check(what: &str, bytes: &[u8]) {
    for secret in SECRETS {
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A sandbox, a store, and the program's configuration.
pub struct Place {
    _sandbox: Sandbox,
    _store: EmbeddedStore,
    pub folder: tempfile::TempDir,
}

impl Place {
    pub async fn start(scenario: &str) -> Self {
        let text = format!(
            "[[account]]\nappid = \"wx1\"\nsecret = \"{APP_SECRET}\"\ntoken = \"{TOKEN}\"\n{scenario}"
        );
        let scenario = Scenario::parse(&text).unwrap();
        let sandbox = Sandbox::start(scenario, Listen::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (objects, any) = (folder.path().join("objects"), ([127, 0, 0, 1], 0).into());
        let store =
            EmbeddedStore::start(&objects, "replays", "access", STORE_SECRET, any).await.unwrap();
        let vod = sandbox.vod_addr();
        let configuration = format!(
            "[ledger]\nurl = \"sqlite:{}\"\n[store]\nendpoint = \"http://{}\"\nbucket = \"replays\"\n\
             access_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n[wechat]\nbase_url = \"http://{}\"\n\
             [media]\nallow_hosts = [\"{vod}\"]\n[monitor]\ntextfile = \"{}\"\n\
             [[account]]\nappid = \"wx1\"\ntoken = {{ secret_env = \"APP_SECRET\" }}\n",
            folder.path().join("ledger.sqlite").display(),
            store.addr(),
            sandbox.api_addr(),
            folder.path().join("metrics.prom").display(),
        );
        std::fs::write(folder.path().join("pipeline.toml"), configuration).unwrap();
        Self { _sandbox: sandbox, _store: store, folder }
    }

    /// The program with its environment, not yet started.
    pub fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay-archiver"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("APP_SECRET", APP_SECRET), ("STORE_SECRET", STORE_SECRET)])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let child = self.command(arguments, variables).spawn().unwrap();
        let output = clock::within(LONGEST, child.wait_with_output()).await;
        let output = output.expect("it ends").unwrap();
        check("stdout", &output.stdout);
        check("stderr", &output.stderr);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let is_new = |line: &&str| line.starts_with("created a new ledger: ");
        let err = text(output.stderr);
        let err: String =
            err.lines().filter(|line| !is_new(line)).flat_map(|line| [line, "\n"]).collect();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err }
    }
}
