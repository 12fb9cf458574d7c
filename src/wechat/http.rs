//! One HTTP exchange: a request of known length, a reply of bounded length, JSON with an error code.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::codes::{Call, Class};
use super::error::{Error, body_excerpt};
use super::lenient::{self, Object};
use crate::clock::Clock;
use crate::retry::Policy;

/// The largest body to read, in bytes. A page of 50 rooms with all their goods is far smaller.
const MAX_BODY: usize = 8 << 20;

/// How many bytes of an error's body to read; its beginning is enough.
const MAX_ERROR: usize = 64 << 10;

/// How to reach WeChat. No `Debug` form, because the proxy URL may contain a password.
#[derive(Clone)]
pub struct Settings {
    /// The address of the API; its path becomes a prefix. Use https, because the token is sent there.
    pub base_url: Url,
    /// The time limit of one attempt, from connecting to the last byte.
    pub timeout: Duration,
    /// The proxy for all requests of this client. The environment's proxy is not used.
    pub proxy: Option<Url>,
    /// How to retry fetching an access token.
    pub token_retry: Policy,
}

/// An HTTP client that neither follows redirects nor retries.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    clock: Clock,
}

/// A complete 2xx reply.
pub(super) struct Reply {
    pub(super) body: Vec<u8>,
    /// The server's `Date`.
    pub(super) date: Option<Timestamp>,
}

impl Http {
    pub(super) fn new(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("replay-archiver/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Every attempt costs quota, so only the caller retries.
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        let builder = match &settings.proxy {
            Some(url) => builder.proxy(proxy(url)?),
            None => builder,
        };
        let client = builder.build().map_err(|error| Error::Setup(error.without_url()))?;
        Ok(Self { client, clock })
    }

    /// A POST of JSON. The body is bytes, so that `Content-Length` is sent: WeChat answers a chunked body
    /// with 412.
    pub(super) fn post(&self, url: Url, body: &Value) -> RequestBuilder {
        self.client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Makes one attempt. Errors mask the `secrets`.
    pub(super) async fn send(
        &self,
        call: Call,
        request: RequestBuilder,
        secrets: &[&SecretString],
    ) -> Result<Reply, Error> {
        let mut response = request.send().await.map_err(|error| transport(call, error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Error::Redirect { call, host: redirect_host(&response) });
        }
        let date = http_date(response.headers(), &DATE);
        let retry_after = retry_after(response.headers(), self.clock.now());
        if !status.is_success() {
            let body = beginning(call, &mut response).await?;
            let excerpt = body_excerpt(call, &body, secrets);
            return Err(Error::Status { call, status: status.as_u16(), excerpt, retry_after });
        }
        let body = body(call, &mut response).await?;
        Ok(Reply { body, date })
    }

    /// The JSON object of a reply of any content type, unless it contains an error code. A success may
    /// lack `errcode`.
    pub(super) fn object(
        &self,
        call: Call,
        body: &[u8],
        secrets: &[&SecretString],
    ) -> Result<Object, Error> {
        match lenient::parse(body) {
            Some(Value::Object(reply)) => success(self.clock.now(), call, reply, secrets),
            _ => Err(Error::unreadable(call, "not a JSON object", body, secrets)),
        }
    }

    /// The time according to this client's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// `reply`, or the error that its `errcode` reports.
pub(super) fn success(
    now: Timestamp,
    call: Call,
    reply: Object,
    secrets: &[&SecretString],
) -> Result<Object, Error> {
    let code = lenient::int(&reply, "errcode").unwrap_or(0);
    if code == 0 {
        return Ok(reply);
    }
    let errmsg = lenient::text(&reply, "errmsg").unwrap_or_default();
    let mut error = Error::api(call, code, errmsg, secrets);
    if let Error::Api { class: Class::NextMinute, retry_after, .. } = &mut error {
        *retry_after = Some(until_next_minute(now));
    }
    Err(error)
}

fn proxy(url: &Url) -> Result<reqwest::Proxy, Error> {
    reqwest::Proxy::all(url.as_str()).map_err(|error| Error::Setup(error.without_url()))
}

fn transport(call: Call, error: reqwest::Error) -> Error {
    let host = error.url().map_or_else(|| "its server".to_owned(), host_of);
    Error::Transport { call, host, source: error.without_url() }
}

/// The host, with its port if unusual.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Appends `path` to the path of `base`.
pub(super) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

async fn body(call: Call, response: &mut Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(call, error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Error::TooLarge { call, limit: MAX_BODY });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of an error, up to the limit.
async fn beginning(call: Call, response: &mut Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR
        && let Some(chunk) = response.chunk().await.map_err(|error| transport(call, error))?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ERROR);
    Ok(body)
}

fn redirect_host(response: &Response) -> String {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    location
        .and_then(|location| response.url().join(location).ok())
        .and_then(|url| url.host_str().map(ToOwned::to_owned))
        .unwrap_or_else(|| "nowhere".to_owned())
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(name)?.as_bytes()).ok()
}

/// `Retry-After` as seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.map(Duration::from_secs).ok().or_else(|| {
        let until = now.duration_until(http_date(headers, &RETRY_AFTER)?);
        Some(until.try_into().unwrap_or_default())
    })
}

/// The time until the next minute begins.
fn until_next_minute(now: Timestamp) -> Duration {
    let second = now.as_second().rem_euclid(60).unsigned_abs();
    Duration::from_secs(60_u64.saturating_sub(second))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_path_in_the_base_url_is_a_prefix() {
        let join = |base: &str| endpoint(&base.parse().unwrap(), "/wxa/x").to_string();
        assert_eq!(join("https://api.weixin.qq.com"), "https://api.weixin.qq.com/wxa/x");
        assert_eq!(join("https://proxy.example/wx/?k=v"), "https://proxy.example/wx/wxa/x?k=v");
    }

    #[test]
    fn the_wait_is_read_as_seconds_and_as_a_date() {
        let now = "2026-11-22T03:00:00Z".parse().unwrap();
        let read = |value| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("7"), Some(7));
        assert_eq!(read("Sun, 22 Nov 2026 03:01:30 GMT"), Some(90));
        assert_eq!(read("Sun, 22 Nov 2026 02:00:00 GMT"), Some(0));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn the_next_minute_is_at_most_a_minute_away() {
        let wait = |now: &str| until_next_minute(now.parse().unwrap()).as_secs();
        assert_eq!(wait("2026-11-22T03:00:00Z"), 60);
        assert_eq!(wait("2026-11-22T03:00:59.9Z"), 1);
        assert_eq!(wait("1969-12-31T23:59:30Z"), 30);
    }
}
