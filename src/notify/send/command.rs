//! A program that reads the message from its stdin.

use std::ffi::OsString;

use serde_json::Value;

use super::Error;
use crate::child::Running;
use crate::clock;
use crate::model::redact::excerpt;

/// How long it may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Starts the command with the message on its stdin.
pub async fn send(
    program: &str,
    arguments: &[String],
    environment: &[(String, OsString)],
    message: &Value,
) -> Result<(), Error> {
    let failed = |outcome: String, stderr: &[u8]| {
        let stderr = excerpt(&String::from_utf8_lossy(stderr), &[]);
        Error::Command { program: program.to_owned(), outcome, stderr }
    };
    let input = format!("{message}\n").into_bytes();
    let started = Running::start_with(program, arguments, environment.to_vec(), input);
    let mut running = started.map_err(|error| failed(format!("did not start: {error}"), b""))?;
    let finished = clock::within(LIMIT, running.finish()).await;
    let stderr = std::mem::take(&mut running.stderr.bytes);
    running.end().await;
    match finished {
        Err(_) => Err(failed("took too long".to_owned(), &stderr)),
        Ok(Err(error)) => Err(failed(format!("failed: {error}"), &stderr)),
        Ok(Ok(None)) => Err(failed("printed too much".to_owned(), &stderr)),
        Ok(Ok(Some(status))) if status.success() => Ok(()),
        Ok(Ok(Some(status))) => Err(failed(format!("ended with {status}"), &stderr)),
    }
}
