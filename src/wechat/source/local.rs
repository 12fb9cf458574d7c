//! Tokens from this machine: what a program prints, and what a file holds. Neither is trusted to be
//! small, nor to come to an end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, copy, sink};
use tokio::process::Command;

use super::SourceKind;
use crate::wechat::error::Error;
use crate::wechat::redact::excerpt;

/// How long a token command may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of a command's output or of a file, at most, in bytes. A token server's reply has
/// less than a kilobyte.
const MOST: u64 = 64 << 10;

/// What a program has written, and how it ended.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    /// The beginning alone.
    stderr: Vec<u8>,
}

/// Runs the program and returns what it printed. It is killed when it takes too long or prints too
/// much, or when the caller gives up.
///
/// # Errors
/// `CommandStart`; `CommandFailed` where it takes more than 30 seconds or ends with a failure;
/// `TooMuch` beyond 64 KiB.
pub(super) async fn run(program: &str, arguments: &[String]) -> Result<Vec<u8>, Error> {
    let failed = |outcome: String, stderr: String| Error::CommandFailed {
        program: program.to_owned(),
        outcome,
        stderr,
    };
    let output = tokio::time::timeout(COMMAND_TIMEOUT, output_of(program, arguments))
        .await
        .map_err(|_| failed("took too long".to_owned(), "nothing was read".to_owned()))??;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = excerpt(&String::from_utf8_lossy(&output.stderr), &[]);
    Err(failed(format!("ended with {}", output.status), stderr))
}

async fn output_of(program: &str, arguments: &[String]) -> Result<Output, Error> {
    let cannot = |source| Error::CommandStart { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let stdout = async {
        let Some(out) = out else { return Ok(Vec::new()) };
        within_limit(SourceKind::Command, out, cannot).await
    };
    let stderr = async {
        let Some(err) = err else { return Ok(Vec::new()) };
        beginning(err).await.map_err(cannot)
    };
    let status = async { child.wait().await.map_err(cannot) };
    let (stdout, stderr, status) = tokio::try_join!(stdout, stderr, status)?;
    Ok(Output { status, stdout, stderr })
}

/// Reads a file.
///
/// # Errors
/// `File` where it cannot be read; `TooMuch` beyond 64 KiB.
pub(super) async fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |source| Error::File { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(cannot)?;
    within_limit(SourceKind::File, file, cannot).await
}

/// Reads to the end, or fails as soon as there is more than the limit.
async fn within_limit(
    kind: SourceKind,
    from: impl AsyncRead + Unpin,
    cannot: impl FnOnce(std::io::Error) -> Error,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(MOST + 1).read_to_end(&mut bytes).await.map_err(cannot)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::TooMuch { kind, limit: MOST });
    }
    Ok(bytes)
}

/// Reads to the end and keeps the beginning: who writes must not be made to wait for a reader.
async fn beginning(mut from: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut from).take(MOST).read_to_end(&mut bytes).await?;
    copy(&mut from, &mut sink()).await?;
    Ok(bytes)
}
