//! Headers of an answer that the SDK does not pass on.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Keeps the first of the headers it looks for, in errors as well as successes.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    names: &'static [&'static str],
    value: Arc<Mutex<Option<String>>>,
}

impl Tap {
    /// A tap for one request. It looks for `names` in this order.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self { names, value: Arc::default() }
    }

    /// The value it found.
    pub(super) fn value(&self) -> Option<String> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "Tap"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let value = self.names.iter().find_map(|name| headers.get(*name)).map(str::to_owned);
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }
}
