//! The built binary, with a world for it to work in.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{EmbeddedStore, Listen, Sandbox};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::bucket::Bucket;
use crate::canaries;

pub use crate::canaries::{APP_SECRET, STORE_SECRET, TOKEN};

/// No command takes longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(180);

/// Room 1: two segments and a whole that covers them; room 2: a whole alone.
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

/// Somewhere to run the program: it lives in the present.
pub struct Place {
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
    pub store: EmbeddedStore,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
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
        let place = Self { sandbox, folder, store };
        place.configure(&place.configuration());
        place
    }

    /// A `pipeline.toml` that works.
    pub fn configuration(&self) -> String {
        let vod = self.sandbox.vod_addr();
        format!(
            "[ledger]\nurl = \"sqlite:{}\"\n\n[store]\nendpoint = \"http://{}\"\nbucket = \"replays\"\n\
             prefix = \"live\"\naccess_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n\n\
             [wechat]\nbase_url = \"http://{}\"\n\n[media]\nallow_hosts = [\"{vod}\"]\n\n\
             [images]\nallow_hosts = [\"{vod}\"]\n\n\
             [[account]]\nappid = \"wx1\"\ntoken = {{ secret_env = \"APP_SECRET\" }}\n",
            self.folder.path().join("ledger.sqlite").display(),
            self.store.addr(),
            self.sandbox.api_addr(),
        )
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("pipeline.toml"), text).unwrap();
    }

    /// The program with its environment, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay-archiver"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("APP_SECRET", APP_SECRET), ("STORE_SECRET", STORE_SECRET)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments).spawn().unwrap()).await
    }

    /// Runs a command that must end with 0.
    pub async fn good(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    pub fn objects(&self) -> PathBuf {
        self.folder.path().join("objects/replays")
    }

    /// The bucket, checked.
    pub fn bucket(&self) -> Bucket {
        let bucket = Bucket::read(&self.objects());
        bucket.check(&canaries::ALL.map(str::to_owned));
        bucket
    }
}

/// Waits for a program to end.
pub async fn ended(child: Child) -> Ran {
    let output = clock::within(LONGEST, child.wait_with_output()).await;
    let Output { status, stdout, stderr } = output.expect("it ends").unwrap();
    canaries::check("stdout", &stdout);
    canaries::check("stderr", &stderr);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

impl Ran {
    /// The lines of stdout, each of which is an object.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last line, which is the summary.
    pub fn summary(&self) -> Value {
        let last = self.lines().pop().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(last["type"], "summary", "{self:?}");
        last
    }
}
