//! The SHA-256 in a request's signature, computed once.
//!
//! Left alone, the SDK hashes every body again on every attempt. The type that spares it that,
//! `PayloadSigningOverride::Precomputed`, says that it is not for direct use, so it is named in
//! this file only, and tests/it/store.rs looks at the headers that are really sent.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use crate::model::Sha256Digest;

/// Whether bodies are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// `x-amz-content-sha256` carries the body's hash, which most stores verify.
    Payload,
    /// It says `UNSIGNED-PAYLOAD`; TLS alone guards the body.
    HeadersOnly,
}

impl Signing {
    /// The interceptor for one request whose body has the hash `sha256`.
    pub(super) fn of(self, sha256: &Sha256Digest) -> SignBody {
        SignBody(match self {
            Self::Payload => PayloadSigningOverride::Precomputed(sha256.to_string()),
            Self::HeadersOnly => PayloadSigningOverride::unsigned_payload(),
        })
    }
}

/// Tells the signer what to sign for the body.
#[derive(Debug)]
pub(super) struct SignBody(PayloadSigningOverride);

impl Intercept for SignBody {
    fn name(&self) -> &'static str {
        "SignBody"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(self.0.clone());
        Ok(())
    }
}
