//! A PostgreSQL server of a test's own, to be killed and started again.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use replay_archiver::clock;
use sqlx::{AnyConnection, Connection as _};

pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

#[expect(clippy::disallowed_methods, reason = "scripts/test says here where the programs are")]
fn programs() -> PathBuf {
    const NAME: &str = "REPLAY_ARCHIVER_TEST_POSTGRES_PROGRAMS";
    let folder = std::env::var(NAME);
    folder.unwrap_or_else(|_| panic!("{NAME} is not set: run the tests with scripts/test")).into()
}

/// A program of PostgreSQL's, which refuses to be root.
fn program(name: &str) -> Command {
    let path = programs().join(name);
    let mut command = if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Postgres {
    pub async fn start() -> Self {
        // Not below TMPDIR, which may be closed to other users.
        let folder = tempfile::Builder::new().prefix("machines-").tempdir_in("/tmp").unwrap();
        if std::fs::metadata(folder.path()).unwrap().uid() == 0 {
            let owned = Command::new("chown").arg("postgres:").arg(folder.path()).status();
            assert!(owned.unwrap().success());
        }
        let mut initdb = program("initdb");
        initdb.arg("--pgdata").arg(folder.path().join("data"));
        initdb.args(["--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        assert!(initdb.arg("--no-sync").status().unwrap().success(), "initdb failed");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Self { folder, port, server: None };
        postgres.serve().await;
        postgres
    }

    pub fn url(&self) -> String {
        format!("postgres://test@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills the server without a word to its clients, and starts it again.
    pub async fn restart(&mut self) {
        self.quit();
        self.serve().await;
    }

    async fn serve(&mut self) {
        let mut command = program("postgres");
        command.arg("-D").arg(self.folder.path().join("data"));
        command.arg("-p").arg(self.port.to_string());
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
        for setting in settings.iter().chain(&["max_connections=200"]) {
            command.args(["-c", setting]);
        }
        self.server = Some(command.spawn().unwrap());
        sqlx::any::install_default_drivers();
        for _ in 0..600 {
            if AnyConnection::connect(&self.url()).await.is_ok() {
                return;
            }
            clock::pause(Duration::from_millis(100)).await;
        }
        panic!("the server does not come up");
    }

    fn quit(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let sent = Command::new("kill").args(["-s", "QUIT", &server.id().to_string()]).status();
        assert!(sent.unwrap().success());
        server.wait().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.quit();
    }
}
