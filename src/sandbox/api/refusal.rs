//! The business errors of the API.

use std::borrow::Cow;

use serde_json::Value;

/// An error as WeChat gives it: a code and a message, and rarely other fields.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// `errcode`.
    pub code: i64,
    /// `errmsg`, before the `rid`.
    pub message: Cow<'static, str>,
    /// What else the reply holds.
    pub fields: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// An error with a message of its own.
    pub fn new(code: i64, message: String) -> Self {
        Self { code, message: Cow::Owned(message), fields: Vec::new() }
    }

    const fn fixed(code: i64, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), fields: Vec::new() }
    }
}

/// A token that is unknown, or has been replaced.
pub const INVALID_TOKEN: Refusal =
    Refusal::fixed(40001, "invalid credential, access_token is invalid or not latest");
/// Another `grant_type` than `client_credential`.
pub const INVALID_GRANT: Refusal = Refusal::fixed(40002, "invalid grant_type");
/// An appid that does not exist.
pub const INVALID_APPID: Refusal = Refusal::fixed(40013, "invalid appid");
/// A path that does not exist.
pub const INVALID_URL: Refusal = Refusal::fixed(40066, "invalid url");
/// A wrong secret.
pub const INVALID_SECRET: Refusal = Refusal::fixed(40125, "invalid appsecret");
/// No token in the query.
pub const TOKEN_MISSING: Refusal = Refusal::fixed(41001, "access_token missing");
/// No appid.
pub const APPID_MISSING: Refusal = Refusal::fixed(41002, "appid missing");
/// No secret.
pub const SECRET_MISSING: Refusal = Refusal::fixed(41004, "appsecret missing");
/// A token past its life.
pub const TOKEN_EXPIRED: Refusal = Refusal::fixed(42001, "access_token expired");
/// A call that is a GET.
pub const REQUIRE_GET: Refusal = Refusal::fixed(43001, "require GET method");
/// A call that is a POST.
pub const REQUIRE_POST: Refusal = Refusal::fixed(43002, "require POST method");
/// A POST of nothing.
pub const EMPTY_BODY: Refusal = Refusal::fixed(44002, "empty post data");
/// The day's calls are used up.
pub const DAILY_QUOTA: Refusal = Refusal::fixed(45009, "reach max api daily quota limit");
/// The minute's calls are used up.
pub const MINUTE_QUOTA: Refusal =
    Refusal::fixed(45011, "api minute-quota reach limit, must slower, retry next minute");
/// A body that is no JSON, or has wrong types in it.
pub const BAD_JSON: Refusal = Refusal::fixed(47001, "data format error");
/// An account without the live permission.
pub const UNAUTHORIZED: Refusal = Refusal::fixed(48001, "api unauthorized");
/// A path whose quota cannot be asked for.
pub const UNKNOWN_CGI_PATH: Refusal = Refusal::fixed(76021, "cgi_path not found");
