//! One media file over HTTP, in single attempts: the caller retries.
//!
//! A file is opened by a ranged request for its beginning, whose body is handed over, so that
//! nothing is fetched twice. The answer tells length, validators and whether ranges work; further
//! ranges are accepted only of the very file that was opened.
//!
//! `If-Range` is not sent. Whether the media hosts honour it is unknown, and a host that wrongly
//! takes a validator for outdated would answer every range with the whole file. Comparing the
//! validators of each answer finds a changed file as well.

mod body;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod headers;
mod signature;
mod small;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Response, StatusCode};
use secrecy::SecretString;
use url::Url;

pub use body::Body;
pub use error::{Error, Problem};
pub use file::SourceFile;
pub use signature::expires_at;
pub use small::{Offer, Small};

use crate::model::{MediaUrl, Obstacle};
use crate::net_guard::{self, ClientError, HostPolicy, Timeouts};
use headers::ContentRange;
use signature::is_preview;

/// A small file may take so many read time-outs in all: ten minutes, unless configured.
const SMALL_READS: u32 = 20;

/// How media is fetched.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where requests may go.
    pub hosts: HostPolicy,
    /// How long a request may make no progress.
    pub timeouts: Timeouts,
    /// The proxy to use, as `http://user:password@host:port`; none unless given.
    pub proxy: Option<SecretString>,
}

/// A client for media files. Clones share connections and what was learnt of the hosts.
#[derive(Debug, Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    hosts: HostPolicy,
    /// Whether a proxy stands between, which resolves names itself.
    has_proxy: bool,
    /// How long a small file may take in all.
    small: Duration,
    /// How long a body may crawl.
    patience: Duration,
    /// For each host and port, whether https has answered there.
    answered: Arc<Mutex<HashMap<String, Scheme>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// A file that was opened, and its first bytes.
#[derive(Debug)]
pub struct Opened {
    /// What the host told of the file.
    pub file: SourceFile,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// The bytes asked for, or the whole file where `file.ranged` is false.
    pub body: Body,
}

impl MediaClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// When the proxy's URL is invalid or TLS cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        let Settings { hosts, timeouts, proxy } = settings;
        let http = net_guard::client(hosts, *timeouts, proxy.as_ref())?;
        Ok(Self::over(http, settings))
    }

    /// As [`MediaClient::new`], where `names` says which addresses a name has.
    ///
    /// # Errors
    /// As [`MediaClient::new`].
    #[doc(hidden)]
    pub fn with_names(settings: &Settings, names: Arc<dyn Resolve>) -> Result<Self, ClientError> {
        let Settings { hosts, timeouts, proxy } = settings;
        let http = net_guard::client_with_names(hosts, *timeouts, proxy.as_ref(), names)?;
        Ok(Self::over(http, settings))
    }

    fn over(http: reqwest::Client, settings: &Settings) -> Self {
        // However slowly it comes: what is small is not waited for for ever.
        let small = settings.timeouts.read.saturating_mul(SMALL_READS);
        // A connection that moves is given more time than one that stands still.
        let patience = settings.timeouts.read.saturating_mul(2);
        let (hosts, has_proxy) = (settings.hosts.clone(), settings.proxy.is_some());
        Self { http, hosts, has_proxy, small, patience, answered: Arc::default() }
    }

    /// Whether requests to `url` would be made: whether its host is allowed, and its name resolves to
    /// an address that is. No request is made.
    ///
    /// # Errors
    /// Why they would not, with the line of the configuration that would change it.
    pub async fn look_up(&self, url: &MediaUrl) -> Result<(), net_guard::Unreachable> {
        if self.has_proxy {
            return Ok(self.hosts.check(url.without_query())?);
        }
        net_guard::look_up(&self.hosts, url.without_query(), &net_guard::SystemNames).await
    }

    /// Whether an obstacle is none for these settings: see [`HostPolicy::lifts`].
    pub fn lifts(&self, obstacle: &Obstacle) -> bool {
        // A proxy looks names up itself.
        let is_left_to_proxy = self.has_proxy && matches!(obstacle, Obstacle::Address(_));
        is_left_to_proxy || self.hosts.lifts(obstacle)
    }

    /// Opens a file with one request for its first `first` bytes (at least one).
    ///
    /// Where the host ignores ranges, the body is the whole file and `file.ranged` is false; where it
    /// does not tell the length either, the end of the body is no evidence of the end of the file.
    ///
    /// # Errors
    /// See [`Problem`]. Nothing is retried.
    pub async fn open(&self, url: &MediaUrl, first: u64) -> Result<Opened, Error> {
        let wanted = 0..first.max(1);
        let response = self.get(url, Some(&wanted)).await?;
        let at = |problem| Error::new(url, problem);
        let mut file = headers::source_file(response.headers(), response.url().scheme());
        let content_type = content_type(response.headers());
        let expected = match response.status() {
            StatusCode::OK => {
                file.total = response.content_length();
                file.total
            }
            StatusCode::PARTIAL_CONTENT => {
                let (range, total) = partial(&response, &wanted).map_err(at)?;
                file.total = Some(total);
                file.ranged = true;
                Some(range.end - range.start)
            }
            // No range of an empty file can be satisfied.
            StatusCode::RANGE_NOT_SATISFIABLE
                if headers::unsatisfied_total(response.headers()) == Some(0) =>
            {
                file.total = Some(0);
                return Ok(Opened { file, content_type, body: Body::empty(url) });
            }
            status => return Err(at(Problem::status(status, response.headers()))),
        };
        Ok(Opened { file, content_type, body: self.body(url, response, expected) })
    }

    /// Opens a file with one request for all of it. Its body is one answer, so that it cannot be of two
    /// files, whatever a host makes of ranges and validators.
    ///
    /// # Errors
    /// As [`MediaClient::open`].
    pub async fn open_at_once(&self, url: &MediaUrl) -> Result<Opened, Error> {
        let response = self.get(url, None).await?;
        let at = |problem| Error::new(url, problem);
        let mut file = headers::source_file(response.headers(), response.url().scheme());
        let content_type = content_type(response.headers());
        file.total = response.content_length();
        match response.status() {
            StatusCode::OK => {}
            StatusCode::PARTIAL_CONTENT => {
                check_all_of_it(response.headers(), file.total).map_err(at)?;
            }
            status => return Err(at(Problem::status(status, response.headers()))),
        }
        let expected = file.total;
        Ok(Opened { file, content_type, body: self.body(url, response, expected) })
    }

    /// Fetches bytes of a file that was opened, whatever signature `url` now carries.
    ///
    /// # Errors
    /// [`Problem::Changed`] where the host now has another file, or ranges no longer work: start over.
    /// Otherwise see [`Problem`]. Nothing is retried.
    pub async fn range(
        &self,
        url: &MediaUrl,
        file: &SourceFile,
        range: Range<u64>,
    ) -> Result<Body, Error> {
        let at = |problem| Error::new(url, problem);
        if range.is_empty() {
            return Ok(Body::empty(url));
        }
        let response = self.get(url, Some(&range)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => return Err(at(Problem::Changed("whether ranges are served"))),
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(at(Problem::Changed("the length"))),
            status => return Err(at(Problem::status(status, response.headers()))),
        }
        let (served, total) = partial(&response, &range).map_err(at)?;
        if served != range || file.total.is_some_and(|known| known != total) {
            return Err(at(Problem::Changed("the length")));
        }
        let now = headers::source_file(response.headers(), response.url().scheme());
        headers::check_unchanged(file, &now).map_err(at)?;
        Ok(self.body(url, response, Some(range.end - range.start)))
    }

    fn body(&self, url: &MediaUrl, response: Response, expected: Option<u64>) -> Body {
        Body::new(url, response, expected, self.patience)
    }

    /// One GET, over https where that answers and over the URL's own http where it does not.
    async fn get(&self, url: &MediaUrl, range: Option<&Range<u64>>) -> Result<Response, Error> {
        if is_preview(url) {
            return Err(Error::new(url, Problem::Preview));
        }
        let given = url.expose();
        self.hosts.check(&given).map_err(|refusal| Error::new(url, Problem::Blocked(refusal)))?;
        let host = url.host();
        let Some(secure) = self.upgraded(&given, &host) else {
            return self.send(url, given, range).await;
        };
        match self.send(url, secure, range).await {
            // Another request may have learnt meanwhile that only http answers.
            Err(error)
                if error.problem.is_connect() && self.learnt(&host) != Some(Scheme::Https) =>
            {
                let response = self.send(url, given, range).await?;
                self.learn(&host, Scheme::Http);
                Ok(response)
            }
            // A host whose https has answered once is not asked in the clear any more.
            Ok(response) => {
                self.learn(&host, Scheme::Https);
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }

    /// The https form of an http URL, where it may be tried.
    fn upgraded(&self, given: &Url, host: &str) -> Option<Url> {
        let mut secure = given.clone();
        let upgradable = given.scheme() == "http" && self.learnt(host) != Some(Scheme::Http);
        (upgradable && secure.set_scheme("https").is_ok() && self.hosts.check(&secure).is_ok())
            .then_some(secure)
    }

    fn learnt(&self, host: &str) -> Option<Scheme> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    fn learn(&self, host: &str, scheme: Scheme) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.insert(host.to_owned(), scheme).is_none() && scheme == Scheme::Http {
            tracing::info!(
                media.host = host,
                "https does not answer at the media host, http is used"
            );
        }
    }

    async fn send(
        &self,
        url: &MediaUrl,
        target: Url,
        range: Option<&Range<u64>>,
    ) -> Result<Response, Error> {
        let mut request = self.http.get(target).header(ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        let at = |problem| Error::new(url, problem);
        let response = request.send().await.map_err(|error| at(Problem::request(error)))?;
        match headers::encoding(response.headers()) {
            Some(encoding) => Err(at(Problem::Encoded(encoding))),
            None => Ok(response),
        }
    }
}

/// The range and the total of a 206 that begins where it should and ends there or at the file's end.
fn partial(response: &Response, wanted: &Range<u64>) -> Result<(Range<u64>, u64), Problem> {
    let ContentRange { range, total } = ContentRange::of(response.headers())
        .ok_or_else(|| Problem::BadRange("no readable Content-Range came with it".to_owned()))?;
    let length = range.end - range.start;
    if range.start != wanted.start || range.end != wanted.end.min(total) {
        return Err(Problem::BadRange(format!(
            "bytes {}..{} of {total} came for {}..{}",
            range.start, range.end, wanted.start, wanted.end
        )));
    }
    if response.content_length().is_some_and(|told| told != length) {
        return Err(Problem::BadRange("Content-Length and Content-Range disagree".to_owned()));
    }
    Ok((range, total))
}

/// Makes sure that a 206 to a request without a range is all of the file, as some hosts send it.
fn check_all_of_it(headers: &HeaderMap, length: Option<u64>) -> Result<(), Problem> {
    if !headers.contains_key(CONTENT_RANGE) {
        return Ok(());
    }
    match ContentRange::of(headers) {
        Some(ContentRange { range, total }) if range == (0..total) && length == Some(total) => {
            Ok(())
        }
        _ => Err(Problem::BadRange("a part of the file came for all of it".to_owned())),
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers::text(headers, CONTENT_TYPE)
}
