//! An object of the bucket as an answer: all of it or a range, a little at a time.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::app::App;
use super::library::Bucket;
use super::limits::{Passing, Permit};
use super::problem::Problem;
use super::range::{Wanted, wanted};
use super::{answer, library};
use crate::model::{AppId, ObjectKey};
use crate::store::{self, ObjectBody};

/// An object to answer with.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// The account that it belongs to.
    pub appid: AppId,
    pub key: ObjectKey,
    /// Its size.
    pub bytes: u64,
    pub content_type: &'static str,
    /// What identifies its content: a digest.
    pub etag: Option<String>,
    /// The version that this is about, as the bucket calls it, if no other may be sent.
    pub version: Option<String>,
    pub passing: Passing,
}

/// Why an object is not sent.
#[derive(Debug)]
pub(super) enum Failed {
    /// The bucket has another version of it by now.
    Replaced,
    /// The bucket does not have it.
    Missing,
    Other(Problem),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Replaced => Self::busy("the file has just been replaced: try again"),
            Failed::Missing => {
                Self::not_found("the file is missing from the bucket; `verify` shows what else is")
            }
            Failed::Other(problem) => problem,
        }
    }
}

/// Answers a GET or HEAD with an object, or with the range of it that was asked for.
///
/// # Errors
/// If the bucket does not have it, or not in this version, or there are too many streams.
pub(super) async fn answer(
    app: &App,
    method: &Method,
    request: &HeaderMap,
    object: &Object,
) -> Result<Response, Failed> {
    let etag = object.etag.as_deref().map(answer::etag);
    if etag.as_ref().is_some_and(|etag| answer::is_known(request, etag)) {
        return Ok(described(StatusCode::NOT_MODIFIED, object, etag).into_response());
    }
    let range = request.get(header::RANGE).and_then(|range| range.to_str().ok());
    // Only a GET has a range.
    let range = range.filter(|_| *method != Method::HEAD && is_same(request, etag.as_ref()));
    let (status, range) = match wanted(range, object.bytes) {
        Wanted::Whole => (StatusCode::OK, 0..object.bytes),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(object)),
    };
    let mut response = described(status, object, etag).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last, bytes) = (range.start, range.end - 1, object.bytes);
        headers.insert(header::CONTENT_RANGE, value(format!("bytes {first}-{last}/{bytes}")));
    }
    if method == Method::HEAD && object.passing == Passing::Film {
        look(app.library.bucket(), object).await?;
    } else if method != Method::HEAD && !range.is_empty() {
        let permit = app.limits.stream(object.passing)?;
        let opened = open(app.library.bucket(), object, range).await?;
        *response.body_mut() = body(app, opened, object.passing, permit);
    }
    Ok(response)
}

/// Whether a range is of the version that the caller has begun with: `If-Range`.
fn is_same(request: &HeaderMap, etag: Option<&HeaderValue>) -> bool {
    // A date says too little, and is answered with the whole.
    request.get(header::IF_RANGE).is_none_or(|of| Some(of) == etag)
}

/// The head of an answer with an object.
fn described(status: StatusCode, object: &Object, etag: Option<HeaderValue>) -> Response {
    let fixed = [
        (header::CONTENT_TYPE, object.content_type),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    let mut response = (status, fixed).into_response();
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn unsatisfiable(object: &Object) -> Response {
    let detail = format!("the range begins behind the end of the file, at byte {}", object.bytes);
    let mut response = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
    let range = value(format!("bytes */{}", object.bytes));
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Looks whether an object is as it is to be sent, for somebody who asks for its head alone.
async fn look(bucket: &Bucket, object: &Object) -> Result<(), Failed> {
    match bucket.head(&object.appid, &object.key).await {
        Ok(Some(head)) => object.must_be(head.etag.as_deref(), Some(head.bytes)),
        Ok(None) => Err(object.missing()),
        Err(error) => Err(object.failed(&error)),
    }
}

async fn open(bucket: &Bucket, object: &Object, range: Range<u64>) -> Result<ObjectBody, Failed> {
    let version = object.version.as_deref();
    match bucket.read_from(&object.appid, &object.key, range, version).await {
        Ok(Some(body)) => {
            // A store may know neither If-Match nor how much there was to be.
            object.must_be(body.etag(), body.total())?;
            Ok(body)
        }
        Ok(None) => Err(object.missing()),
        Err(error) => Err(object.failed(&error)),
    }
}

impl Object {
    /// Fails unless what the bucket has is of this version and size, as far as it says.
    fn must_be(&self, etag: Option<&str>, bytes: Option<u64>) -> Result<(), Failed> {
        let plain = |etag: &str| etag.trim_matches('"').to_owned();
        let (wanted, found) = (self.version.as_deref().map(plain), etag.map(plain));
        let is_version = wanted.is_none() || found.is_none() || wanted == found;
        match is_version && bytes.is_none_or(|bytes| bytes == self.bytes) {
            true => Ok(()),
            false => Err(Failed::Replaced),
        }
    }

    fn missing(&self) -> Failed {
        let key = &self.key;
        tracing::warn!(object.key = %key, "{key} was to be sent and is not in the bucket");
        Failed::Missing
    }

    fn failed(&self, error: &store::Error) -> Failed {
        let key = &self.key;
        if error.answer().is_some_and(|answer| answer.status == 412) {
            return Failed::Replaced;
        }
        tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
        match error {
            store::Error::Unranged { .. } | store::Error::Excessive { .. } => {
                Problem::from(library::Error::Unusable("the answer of the bucket")).into()
            }
            _ => Problem::from(library::Error::Unreachable).into(),
        }
    }
}

/// An object as the body of an answer. When reading it fails, the connection ends early, so that the client
/// notices.
fn body(app: &App, object: ObjectBody, passing: Passing, permit: Permit) -> Body {
    let traffic = Arc::clone(&app.traffic);
    let begun = (object, permit, traffic);
    Body::from_stream(stream::try_unfold(begun, move |(mut object, permit, traffic)| async move {
        let next = object.next().await.inspect_err(|error| {
            tracing::warn!(%error, "an answer ends early: {error}");
        })?;
        Ok::<_, store::Error>(next.map(|bytes: Bytes| {
            traffic.passed(passing, bytes.len());
            (bytes, (object, permit, traffic))
        }))
    }))
}
