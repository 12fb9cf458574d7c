//! Asks for a URL as a browser does: without credentials, and no more of it than shows how it is answered.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use url::Url;

/// How long an answer may take to begin.
const LIMIT: Duration = Duration::from_secs(10);

/// The most redirections that are followed.
const HOPS: usize = 5;

/// What a request was answered with.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Where the answer is from, after redirections.
    pub url: Url,
}

/// Why there is no answer. Names no URL: it may be signed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the request failed\nhint: is the address right, can this machine reach it, and does `serve` run if links of it are given? [RA629]"
)]
pub(super) struct NoAnswer(#[source] reqwest::Error);

/// Somebody without credentials.
pub(super) struct Visitor(reqwest::Client);

impl Visitor {
    /// Follows redirections to these hosts.
    pub(super) fn new(hosts: Vec<String>) -> Result<Self, NoAnswer> {
        let redirect = Policy::custom(move |attempt| {
            let host = attempt.url().host_str().unwrap_or_default();
            let is_known = hosts.iter().any(|known| known == host);
            let is_far = attempt.previous().len() > HOPS;
            if is_known && !is_far { attempt.follow() } else { attempt.stop() }
        });
        let agent =
            concat!("Mozilla/5.0 (compatible; replay-archiver/", env!("CARGO_PKG_VERSION"), ")");
        let client = reqwest::Client::builder()
            .redirect(redirect)
            .connect_timeout(LIMIT)
            .read_timeout(LIMIT)
            .referer(false)
            .user_agent(agent);
        client.build().map(Self).map_err(NoAnswer)
    }

    /// Asks for a URL, and takes none of its bytes.
    pub(super) async fn ask(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, NoAnswer> {
        let failed = |error: reqwest::Error| NoAnswer(error.without_url());
        let mut request = self.0.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.map_err(failed)?;
        let (status, url) = (response.status().as_u16(), response.url().clone());
        Ok(Answer { status, headers: response.headers().clone(), url })
    }
}

impl Answer {
    /// A header, named in lowercase, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
    }
}
