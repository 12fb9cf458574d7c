//! A program that reads the message from its stdin.

use std::ffi::OsString;

use secrecy::SecretString;
use serde_json::Value;

use super::Error;
use crate::child::Running;
use crate::clock;
use crate::config::is_usual;
use crate::model::redact::excerpt;

/// How long it may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A shorter value of a variable is no secret.
const SHORTEST: usize = 6;

/// Starts the command with the message on its stdin.
pub async fn send(
    program: &str,
    arguments: &[String],
    environment: &[(String, OsString)],
    message: &Value,
) -> Result<(), Error> {
    // What the configuration lets it inherit may be a secret, and it may say so.
    let inherited = environment.iter().filter(|(name, _)| !is_usual(name));
    let values = inherited.filter_map(|(_, value)| value.to_str());
    let secrets: Vec<_> =
        values.filter(|value| value.len() >= SHORTEST).map(SecretString::from).collect();
    let failed = |outcome: String, stderr: &[u8]| {
        let secrets: Vec<_> = secrets.iter().collect();
        let stderr = excerpt(&String::from_utf8_lossy(stderr), &secrets);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_command_inherits_is_not_shown_when_it_fails() {
        let environment = [("PATH", "/usr/bin:/bin"), ("KEY", "pa55-w0rd")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.into()));
        let arguments = ["-c", "cat >/dev/null; echo \"no $KEY in $PATH\" >&2; exit 3"];
        let arguments = arguments.map(str::to_owned);
        let sent = send("sh", &arguments, &environment, &Value::Null).await;
        let error = sent.unwrap_err().to_string();
        assert!(error.ends_with("no *** in /usr/bin:/bin"), "{error}");
    }
}
