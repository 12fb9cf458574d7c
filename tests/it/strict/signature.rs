//! AWS Signature Version 4, verified by computing it again.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use sha2::{Digest as _, Sha256};

use super::call::{Call, unescape};
use super::provider::Checksums;
use super::reply::Refusal;
use super::state::{hex, sha256_hex};
use super::{ACCESS_KEY, Provider, SECRET_KEY};

const SKEW: SignedDuration = SignedDuration::from_mins(15);
const LONGEST_URL: i64 = 7 * 24 * 3600;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What a request says of its signature.
struct Claim<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    date: &'a str,
    payload: &'a str,
    presigned: bool,
}

/// Verifies who asks; gives the hash the body has to have, where it is signed.
pub fn verify(call: &Call, provider: Provider, now: Timestamp) -> Result<Option<String>, Refusal> {
    let claim = match (call.header("authorization"), call.parameter("X-Amz-Signature")) {
        (Some(header), None) => from_header(call, header)?,
        (None, Some(signature)) => from_query(call, signature, now)?,
        (None, None) => return Err(Refusal::wrong(403, "AccessDenied", "It is not signed.")),
        (Some(_), Some(_)) => return Err(argument("It is signed in two ways.")),
    };
    check_date(&claim, now)?;
    let scope = check_scope(&claim, provider)?;
    check_signed_headers(call, &claim)?;
    let canonical = canonical_request(call, &claim)?;
    if sign(&canonical, claim.date, scope, SECRET_KEY) != claim.signature {
        let message = format!("The signature is not the one of {canonical:?}");
        return Err(Refusal::wrong(403, "SignatureDoesNotMatch", message));
    }
    check_payload(call, &claim, provider)
}

/// The signature of a request's canonical form, and who signs with what, for tests that send requests
/// no correct client would.
pub fn sign(canonical: &str, date: &str, scope: &str, secret: &str) -> String {
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| {
        hmac(&key, part.as_bytes()).to_vec()
    });
    hex(&hmac(&key, to_sign.as_bytes()))
}

fn argument(message: &str) -> Refusal {
    Refusal::wrong(400, "InvalidArgument", message)
}

fn from_header<'a>(call: &'a Call, header: &'a str) -> Result<Claim<'a>, Refusal> {
    let malformed = || {
        let message = "The authorization header is malformed.";
        Refusal::wrong(400, "AuthorizationHeaderMalformed", message)
    };
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(malformed)?;
    let field = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).ok_or_else(malformed)
    };
    Ok(Claim {
        credential: field("Credential")?,
        signed_headers: field("SignedHeaders")?,
        signature: field("Signature")?,
        date: call.header("x-amz-date").ok_or_else(|| {
            Refusal::wrong(403, "AccessDenied", "a valid x-amz-date header is required")
        })?,
        payload: call.header("x-amz-content-sha256").ok_or_else(|| {
            Refusal::wrong(400, "InvalidRequest", "Missing required header x-amz-content-sha256")
        })?,
        presigned: false,
    })
}

fn from_query<'a>(
    call: &'a Call,
    signature: &'a str,
    now: Timestamp,
) -> Result<Claim<'a>, Refusal> {
    let query = |name: &str| {
        let malformed = || {
            let message = format!("{name} is missing or wrong");
            Refusal::wrong(400, "AuthorizationQueryParametersError", message)
        };
        call.parameter(name).ok_or_else(malformed)
    };
    let date = query("X-Amz-Date")?;
    let seconds: i64 = query("X-Amz-Expires")?.parse().unwrap_or(0);
    if query("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" || !(1..=LONGEST_URL).contains(&seconds) {
        let message = "The algorithm, or the time it is valid for, is wrong.";
        return Err(Refusal::wrong(400, "AuthorizationQueryParametersError", message));
    }
    if now.duration_since(parse_date(date)?) > SignedDuration::from_secs(seconds) {
        return Err(Refusal::fair(403, "AccessDenied", "Request has expired"));
    }
    Ok(Claim {
        credential: query("X-Amz-Credential")?,
        signed_headers: query("X-Amz-SignedHeaders")?,
        signature,
        date,
        payload: UNSIGNED,
        presigned: true,
    })
}

fn parse_date(date: &str) -> Result<Timestamp, Refusal> {
    let wrong = || Refusal::wrong(403, "AccessDenied", "The date is malformed.");
    let date = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|_| wrong())?;
    date.to_zoned(TimeZone::UTC).map(|date| date.timestamp()).map_err(|_| wrong())
}

fn check_date(claim: &Claim<'_>, now: Timestamp) -> Result<(), Refusal> {
    let age = now.duration_since(parse_date(claim.date)?);
    if age < -SKEW || (age > SKEW && !claim.presigned) {
        let message = "The difference between the request time and the server's is too large.";
        return Err(Refusal::fair(403, "RequestTimeTooSkewed", message));
    }
    Ok(())
}

/// The scope, from the day on.
fn check_scope<'a>(claim: &Claim<'a>, provider: Provider) -> Result<&'a str, Refusal> {
    let malformed =
        |message: &str| Refusal::wrong(400, "AuthorizationHeaderMalformed", message.to_owned());
    let Some((access_key, scope)) = claim.credential.split_once('/') else {
        return Err(malformed("The credential has no scope."));
    };
    let parts: Vec<&str> = scope.split('/').collect();
    let [day, region, service, end] = parts[..] else {
        return Err(malformed("The scope has not four parts."));
    };
    if access_key != ACCESS_KEY {
        let message = "The access key does not exist in our records.";
        return Err(Refusal::wrong(403, "InvalidAccessKeyId", message));
    }
    if !claim.date.starts_with(day) || service != "s3" || end != "aws4_request" {
        return Err(malformed("The scope is wrong."));
    }
    if !provider.is_region(region) {
        return Err(malformed(&format!("The region {region:?} is wrong.")));
    }
    Ok(scope)
}

/// The host, the content type and everything of Amazon's has to be signed.
fn check_signed_headers(call: &Call, claim: &Claim<'_>) -> Result<(), Refusal> {
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    if !signed.is_sorted() {
        return Err(argument("The signed headers are not sorted."));
    }
    let mut names = call.headers.keys().map(axum::http::HeaderName::as_str);
    let unsigned = names.find(|name| {
        let must =
            matches!(*name, "host" | "content-type" | "content-md5") || name.starts_with("x-amz-");
        must && !signed.contains(name)
    });
    unsigned.map_or(Ok(()), |name| {
        let message = format!("There were headers present which were not signed: {name}");
        Err(Refusal::wrong(403, "AccessDenied", message))
    })
}

fn canonical_request(call: &Call, claim: &Claim<'_>) -> Result<String, Refusal> {
    let path = escape(&unescape(&call.path), "/");
    let mut query: Vec<String> = call
        .query
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", escape(name, ""), escape(value, "")))
        .collect();
    query.sort();
    let mut headers = String::new();
    for name in claim.signed_headers.split(';') {
        let values: Vec<String> = call
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if values.is_empty() {
            return Err(argument(&format!("The signed header {name} is not there.")));
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    Ok(format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{}",
        call.method,
        query.join("&"),
        claim.signed_headers,
        claim.payload
    ))
}

/// A body that is not signed has to come with a checksum that the store verifies, in a signed header.
fn check_payload(
    call: &Call,
    claim: &Claim<'_>,
    provider: Provider,
) -> Result<Option<String>, Refusal> {
    let is_vouched_for = provider.checksums() == Checksums::Verified
        && call.header("x-amz-checksum-crc64nvme").is_some();
    let is_hash = claim.payload.len() == 64
        && claim.payload.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    match claim.payload {
        UNSIGNED if claim.presigned || is_vouched_for => Ok(None),
        hash if is_hash => Ok(Some(hash.to_owned())),
        streaming if streaming.starts_with("STREAMING-") => {
            Err(Refusal::wrong(501, "NotImplemented", streaming))
        }
        other => {
            let message = format!("x-amz-content-sha256 without a checksum is {other:?}");
            Err(Refusal::wrong(400, "InvalidRequest", message))
        }
    }
}

/// Percent-escapes everything but what RFC 3986 leaves alone, and `keep`.
pub fn escape(text: &str, keep: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || keep.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// HMAC-SHA256, RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[test]
fn the_hmac_is_that_of_rfc_4231() {
    // Test cases 2 and 6.
    let short = hmac(b"Jefe", b"what do ya want for nothing?");
    assert!(hex(&short).starts_with("5bdcc146bf60754e6a042426089575c7"));
    let long = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert!(hex(&long).starts_with("60e431591ee0b67f0d8a26aacbf5b77f"));
}
