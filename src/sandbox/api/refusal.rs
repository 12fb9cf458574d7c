//! The business errors of the API.

use std::borrow::Cow;

use serde_json::Value;

/// An error in WeChat's form: a code and a message, rarely with other fields.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// `errcode`.
    pub code: i64,
    /// `errmsg`, before the `rid`.
    pub message: Cow<'static, str>,
    /// Further fields of the reply.
    pub fields: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// An error with its own message.
    pub fn new(code: i64, message: String) -> Self {
        Self { code, message: Cow::Owned(message), fields: Vec::new() }
    }

    const fn fixed(code: i64, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), fields: Vec::new() }
    }
}

/// The token is unknown or was replaced.
pub const INVALID_TOKEN: Refusal =
    Refusal::fixed(40001, "invalid credential, access_token is invalid or not latest");
/// The `grant_type` is not `client_credential`.
pub const INVALID_GRANT: Refusal = Refusal::fixed(40002, "invalid grant_type");
/// The appid does not exist.
pub const INVALID_APPID: Refusal = Refusal::fixed(40013, "invalid appid");
/// The path does not exist.
pub const INVALID_URL: Refusal = Refusal::fixed(40066, "invalid url");
/// The secret is wrong.
pub const INVALID_SECRET: Refusal = Refusal::fixed(40125, "invalid appsecret");
/// The query has no token.
pub const TOKEN_MISSING: Refusal = Refusal::fixed(41001, "access_token missing");
/// The appid is missing.
pub const APPID_MISSING: Refusal = Refusal::fixed(41002, "appid missing");
/// The secret is missing.
pub const SECRET_MISSING: Refusal = Refusal::fixed(41004, "appsecret missing");
/// The token has expired.
pub const TOKEN_EXPIRED: Refusal = Refusal::fixed(42001, "access_token expired");
/// The call requires GET.
pub const REQUIRE_GET: Refusal = Refusal::fixed(43001, "require GET method");
/// The call requires POST.
pub const REQUIRE_POST: Refusal = Refusal::fixed(43002, "require POST method");
/// The POST has no body.
pub const EMPTY_BODY: Refusal = Refusal::fixed(44002, "empty post data");
/// The day's calls are used up.
pub const DAILY_QUOTA: Refusal = Refusal::fixed(45009, "reach max api daily quota limit");
/// The minute's calls are used up.
pub const MINUTE_QUOTA: Refusal =
    Refusal::fixed(45011, "api minute-quota reach limit, must slower, retry next minute");
/// The body is not JSON, or has wrong types.
pub const BAD_JSON: Refusal = Refusal::fixed(47001, "data format error");
/// The account has not authorised the platform.
pub const NOT_AUTHORIZED: Refusal =
    Refusal::fixed(61003, "component is not authorized by this account");
/// The platform's ticket is wrong.
pub const INVALID_TICKET: Refusal = Refusal::fixed(61005, "component ticket is expired or invalid");
/// The platform does not exist.
pub const INVALID_COMPONENT: Refusal = Refusal::fixed(61011, "invalid component");
/// The account's refresh token is wrong.
pub const INVALID_REFRESH_TOKEN: Refusal = Refusal::fixed(61023, "refresh_token is invalid");
/// The account lacks the live permission.
pub const UNAUTHORIZED: Refusal = Refusal::fixed(48001, "api unauthorized");
/// The path has no quota.
pub const UNKNOWN_CGI_PATH: Refusal = Refusal::fixed(76021, "cgi_path not found");
