//! The signatures of robots and webhooks: HMAC-SHA256 in base64.

use aws_smithy_types::base64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// DingTalk: of `"{milliseconds}\n{secret}"`, with the secret as the key.
pub fn dingtalk(secret: &str, millis: i64) -> String {
    hmac(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes())
}

/// Feishu: of nothing, with `"{seconds}\n{secret}"` as the key.
pub fn feishu(secret: &str, seconds: i64) -> String {
    hmac(format!("{seconds}\n{secret}").as_bytes(), b"")
}

/// Standard Webhooks: of `"{id}.{seconds}.{body}"`. A secret that begins with `whsec_` is base64; any other is
/// the key itself. `None` if it is neither.
pub fn webhook(secret: &str, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => base64::decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    Some(format!("v1,{}", hmac(&key, format!("{id}.{seconds}.{body}").as_bytes())))
}

fn hmac(key: &[u8], message: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(hmac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    base64::encode(hmac.chain_update(message).finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with Python's hmac and base64; the webhook's is the example of the specification.
    #[test]
    fn signatures_are_those_of_other_implementations() {
        assert_eq!(
            dingtalk("SECabc", 1_700_000_000_000),
            "jcUpW0QmtKduN03n4JqQ0PBosVjqnM8gU7fIIvsDmCM="
        );
        assert_eq!(feishu("abc", 1_700_000_000), "VIS10b0EBvzzSdFnuk4tznEmK5wHaruvf/WnViv2yR4=");
        let signed = webhook(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(webhook("whsec_***", "id", 0, ""), None);
    }
}
