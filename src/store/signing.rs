//! The SHA-256 in a request's signature, computed once.
//!
//! By default the SDK hashes every body again on every attempt. The type that avoids this,
//! `PayloadSigningOverride::Precomputed`, is documented as not for direct use, so only this file names
//! it, and tests/it/store.rs checks the headers that are really sent.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::settings::BodySigning;
use crate::model::Sha256Digest;

/// Whether bodies are signed: if so, `x-amz-content-sha256` carries the body's hash, which most stores
/// verify; otherwise it says `UNSIGNED-PAYLOAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// All bodies are signed.
    All,
    /// Only bodies that nothing else protects: not parts whose CRC-64/NVME the store verifies, over a
    /// connection that nobody can tamper with.
    WhereNeeded,
    /// No bodies are signed; only the connection protects them.
    None,
}

impl Signing {
    /// The signing for the configured `wanted`. Bodies are always signed if the connection is not
    /// guarded, neither by TLS nor by staying on this machine.
    pub(super) fn over(wanted: BodySigning, is_guarded: bool) -> Self {
        match wanted {
            _ if !is_guarded => Self::All,
            BodySigning::On => Self::All,
            BodySigning::Auto => Self::WhereNeeded,
            BodySigning::Off => Self::None,
        }
    }
}

/// Tells the signer which hash to sign for the body.
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
