//! Tokens from this machine: what a program prints, and what a file holds. Neither is trusted to be
//! small, nor to come to an end.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::program::Running;
use super::{Inherited, SourceKind};
use crate::wechat::error::Error;
use crate::wechat::redact::excerpt;

/// How long a token command may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of a command's output or of a file, at most, in bytes. A token server's reply has
/// less than a kilobyte.
pub(super) const MOST: usize = 64 << 10;

/// Runs the program and returns what it had printed when it ended, whatever it has left running. That
/// is ended, too: here, when the program takes too long or prints too much, and when the caller gives
/// up. It inherits the variables of `environment` alone.
///
/// # Errors
/// `CommandStart`; `CommandFailed` where it takes more than 30 seconds or ends with a failure;
/// `TooMuch` beyond 64 KiB.
pub(super) async fn run(
    program: &str,
    arguments: &[String],
    environment: &Inherited,
) -> Result<Vec<u8>, Error> {
    run_within(COMMAND_TIMEOUT, program, arguments, environment).await
}

async fn run_within(
    limit: Duration,
    program: &str,
    arguments: &[String],
    environment: &Inherited,
) -> Result<Vec<u8>, Error> {
    let cannot = |source| Error::CommandStart { program: program.to_owned(), source };
    let failed = |outcome: String, stderr: &[u8]| Error::CommandFailed {
        program: program.to_owned(),
        outcome,
        stderr: excerpt(&String::from_utf8_lossy(stderr), &[]),
    };
    let mut running = Running::start(program, arguments, environment.clone()).map_err(cannot)?;
    let finished = tokio::time::timeout(limit, running.finish()).await;
    let (stdout, stderr) =
        (std::mem::take(&mut running.stdout.bytes), std::mem::take(&mut running.stderr.bytes));
    running.end().await;
    match finished {
        Err(_) => Err(failed("took too long".to_owned(), b"nothing was read")),
        Ok(Err(source)) => Err(cannot(source)),
        Ok(Ok(None)) => Err(Error::TooMuch { kind: SourceKind::Command, limit: MOST }),
        Ok(Ok(Some(status))) if status.success() => Ok(stdout),
        Ok(Ok(Some(status))) => Err(failed(format!("ended with {status}"), &stderr)),
    }
}

/// Reads a file.
///
/// # Errors
/// `File` where it cannot be read; `TooMuch` beyond 64 KiB.
pub(super) async fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |source| Error::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(MOST as u64 + 1).read_to_end(&mut bytes).await
    };
    // It may be a pipe that nobody writes to, or lie on a server that is away.
    let read = tokio::time::timeout(COMMAND_TIMEOUT, read).await;
    read.map_err(|late| cannot(late.into()))?.map_err(cannot)?;
    if bytes.len() > MOST {
        return Err(Error::TooMuch { kind: SourceKind::File, limit: MOST });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Longer than any test takes, and an odd number, so that a process is known by it.
    const FOREVER: &str = "86399";

    fn path() -> Inherited {
        vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into())]
    }

    async fn shell(limit: Duration, script: &str) -> Result<String, Error> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let printed = run_within(limit, "sh", &arguments, &path()).await?;
        Ok(String::from_utf8(printed).unwrap())
    }

    /// Whether the process lives whose number the file holds. One that ended and that nobody has
    /// asked for does not.
    fn lives(file: &Path) -> bool {
        let id = std::fs::read_to_string(file).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
    }

    /// Waits until the process whose number the file holds is gone.
    async fn gone(file: &Path) {
        let gone = async {
            while lives(file) {
                crate::retry::pause(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is ended");
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_a_command_leaves_running_is_ended_and_does_not_hold_its_token_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        for left in [
            "sleep 86399 &",
            "nohup sleep 86399 &",
            "(trap '' TERM; exec sleep 86399) &",
            "sh -c 'sleep 86399 & wait' &",
            "(while :; do echo more; sleep 0.01; done) &",
        ] {
            let began = Instant::now();
            let script = format!("printf 't1 '; {left} echo $! > {}; exit 0", file.display());
            let printed = shell(LONG, &script).await.unwrap();
            assert!(printed.starts_with("t1 "), "{left}: {printed}");
            gone(&file).await;
            // A second for who ignores SIGTERM; the machine may be busy.
            assert!(began.elapsed() < Duration::from_secs(15), "{left}");
        }
    }

    #[tokio::test]
    async fn a_process_that_left_the_group_holds_nothing_up_though_it_holds_the_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let leaves = format!(
            "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep {FOREVER}' & \
             while [ ! -e {0} ]; do sleep 0.01; done; echo t1",
            file.display()
        );
        let printed = shell(LONG, &leaves).await.unwrap();
        assert_eq!(printed, "t1\n");
        assert!(lives(&file), "nobody but the system could end it");
        let id: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        for begin in ["", "trap '' TERM; "] {
            let script =
                format!("{begin}sleep {FOREVER} & echo $! > {}; wait; wait", file.display());
            let error = shell(Duration::from_secs(1), &script).await.unwrap_err().to_string();
            assert!(error.contains("\"sh\" took too long"), "{error}");
            gone(&file).await;
        }
    }

    #[tokio::test]
    async fn a_command_nobody_waits_for_any_more_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let named = folder.path().join("named");
        let script = format!(
            "sleep {FOREVER} & echo $! > {}; touch {}; wait",
            file.display(),
            named.display()
        );
        let started = async {
            while !named.exists() {
                crate::retry::pause(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = shell(LONG, &script) => panic!("{outcome:?}"),
            () = started => {}
        }
        gone(&file).await;
    }

    #[tokio::test]
    async fn a_command_that_printed_too_much_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let script = format!("sleep {FOREVER} & echo $! > {}; cat /dev/zero", file.display());
        let error = shell(LONG, &script).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error}");
        gone(&file).await;
    }
}
