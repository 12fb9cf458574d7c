//! Tokens that something else keeps in Redis. Only GET: nothing is written there.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::child::MOST;
use crate::clock;
use crate::wechat::error::Error;

/// Time limit of connecting and reading.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The value of a key.
///
/// # Errors
/// `Redis` if the server does not answer or refuses; `NoSuchKey` if it has none; `TooMuch` beyond 64 KiB.
pub(crate) async fn get(url: &SecretString, key: &str) -> Result<Vec<u8>, Error> {
    let read = async {
        let client = redis::Client::open(url.expose_secret())?;
        let limits = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let mut connection = client.get_multiplexed_async_connection_with_config(&limits).await?;
        redis::cmd("GET").arg(key).query_async::<Option<Vec<u8>>>(&mut connection).await
    };
    let failed = |problem: String, is_of_key| Error::Redis { problem, is_of_key };
    let value = match clock::within(TIMEOUT, read).await {
        Err(_) => return Err(failed(format!("no answer within {} s", TIMEOUT.as_secs()), false)),
        Ok(Err(error)) => {
            // It has another type, or may not be read by this user.
            let is_of_key = matches!(error.code(), Some("WRONGTYPE" | "NOPERM"));
            return Err(failed(told(&error, url), is_of_key));
        }
        Ok(Ok(value)) => value.ok_or_else(|| Error::NoSuchKey { key: key.to_owned() })?,
    };
    if value.len() > MOST {
        return Err(Error::TooMuch { kind: super::SourceKind::Redis, limit: MOST });
    }
    Ok(value)
}

/// What went wrong, without anything of the address.
fn told(error: &redis::RedisError, url: &SecretString) -> String {
    let text = error.to_string();
    let is_told = url.expose_secret().split(['/', ':', '@']).filter(|part| part.len() >= 6);
    let is_safe = is_told.into_iter().all(|part| !text.contains(part));
    if is_safe { text } else { error.category().to_owned() }
}

/// What is wrong with an address, without repeating it.
pub(super) fn url_problem(url: &SecretString) -> Option<String> {
    let problem = "not the address of a Redis server\nhint: write redis://USER:PASSWORD@HOST:6379/0, or rediss://… for \
                   TLS [RA219]";
    redis::Client::open(url.expose_secret()).is_err().then(|| problem.to_owned())
}
