//! Tokens from this machine: the output of a program or the content of a file. Neither is trusted to be
//! small or to end.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::{Inherited, SourceKind};
use crate::child::{MOST, Running};
use crate::clock;
use crate::model::redact::excerpt;
use crate::wechat::error::Error;

/// Time limit of a token command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the program and returns its output once it has ended, even if it left other processes running.
/// Terminates those too, also if the program takes too long or prints too much, or if the caller gives
/// up. The program's environment is exactly `environment`.
///
/// # Errors
/// `CommandStart`; `CommandFailed` if it takes more than 30 seconds or exits with a failure; `TooMuch`
/// beyond 64 KiB.
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
    let finished = clock::within(limit, running.finish()).await;
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
/// `File` if reading fails; `TooMuch` beyond 64 KiB.
pub(in crate::wechat) async fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |source| Error::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(MOST as u64 + 1).read_to_end(&mut bytes).await
    };
    // It may be a pipe without a writer, or on a server that is down.
    let read = clock::within(COMMAND_TIMEOUT, read).await;
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

    /// Longer than any test takes, and an unusual number that identifies the process.
    const FOREVER: &str = "86399";

    fn path() -> Inherited {
        vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into())]
    }

    async fn shell(limit: Duration, script: &str) -> Result<String, Error> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let printed = run_within(limit, "sh", &arguments, &path()).await?;
        Ok(String::from_utf8(printed).unwrap())
    }

    /// Whether the process whose number is in the file is running. A zombie is not.
    fn lives(file: &Path) -> bool {
        let id = std::fs::read_to_string(file).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
    }

    /// Waits until the process whose number is in the file is gone.
    async fn gone(file: &Path) {
        let gone = async {
            while lives(file) {
                crate::clock::pause(Duration::from_millis(5)).await;
            }
        };
        clock::within(Duration::from_secs(20), gone).await.expect("the process ends");
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn processes_that_a_command_leaves_behind_are_ended_and_do_not_delay_its_token() {
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
            // A second for processes that ignore SIGTERM; the machine may be busy.
            assert!(began.elapsed() < Duration::from_secs(15), "{left}");
        }
    }

    #[tokio::test]
    async fn a_process_that_left_the_group_and_holds_the_pipe_does_not_delay_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let leaves = format!(
            "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep {FOREVER}' & \
             while [ ! -e {0} ]; do sleep 0.01; done; echo t1",
            file.display()
        );
        let printed = shell(LONG, &leaves).await.unwrap();
        assert_eq!(printed, "t1\n");
        assert!(lives(&file), "it is outside the group and keeps running");
        let id: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_ended_with_all_its_processes() {
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
    async fn a_command_whose_caller_gives_up_is_ended_with_all_its_processes() {
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
                crate::clock::pause(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = shell(LONG, &script) => panic!("{outcome:?}"),
            () = started => {}
        }
        gone(&file).await;
    }

    #[tokio::test]
    async fn a_command_that_prints_too_much_is_ended_with_all_its_processes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let script = format!("sleep {FOREVER} & echo $! > {}; cat /dev/zero", file.display());
        let error = shell(LONG, &script).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error}");
        gone(&file).await;
    }
}
