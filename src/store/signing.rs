//! The SHA-256 in a request's signature, computed once.
//!
//! Left alone, the SDK hashes every body again on every attempt. The type that spares it that,
//! `PayloadSigningOverride::Precomputed`, says that it is not for direct use, so it is named in
//! this file only, and tests/it/store.rs looks at the headers that are really sent.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::settings::BodySigning;
use crate::model::Sha256Digest;

/// Whether bodies are signed: `x-amz-content-sha256` then carries the body's hash, which most stores
/// verify; otherwise it says `UNSIGNED-PAYLOAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// All of them.
    All,
    /// Those that nothing else vouches for: not the parts whose CRC-64/NVME the store verifies, on a
    /// way that nobody can meddle with.
    WhereNeeded,
    /// None; the way alone guards them.
    None,
}

impl Signing {
    /// What is done where `wanted`, the way to the store being guarded (by TLS, or because it does not
    /// leave this machine) or not.
    pub(super) fn over(wanted: BodySigning, is_guarded: bool) -> Self {
        match wanted {
            _ if !is_guarded => Self::All,
            BodySigning::On => Self::All,
            BodySigning::Auto => Self::WhereNeeded,
            BodySigning::Off => Self::None,
        }
    }
}

/// Tells the signer what to sign for the body.
#[derive(Debug)]
pub(super) struct SignBody(PayloadSigningOverride);

impl SignBody {
    /// For one request whose body has this hash; `None` leaves the body unsigned.
    pub(super) fn with(sha256: Option<&Sha256Digest>) -> Self {
        Self(match sha256 {
            Some(sha256) => PayloadSigningOverride::Precomputed(sha256.to_string()),
            None => PayloadSigningOverride::unsigned_payload(),
        })
    }
}

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
