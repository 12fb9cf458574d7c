//! Where traces and metrics go over OTLP, as the standard variables of OpenTelemetry say. The SDK reads these and the
//! others by itself; here is only whether to use it at all.

use std::time::Duration;

use url::Url;

use super::Environment;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Otlp {
    /// Whether traces are sent.
    pub traces: bool,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// How long a request may take.
    pub timeout: Duration,
}

/// The variables do not fit together. Their values are not repeated: an address may hold a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// An endpoint that nothing can be sent to.
    #[error("{0} is not an http or https URL")]
    Endpoint(String),
    /// A protocol that this program does not speak.
    #[error(
        "{0} is not http/protobuf, which is all that this program speaks (port 4318, as a rule)"
    )]
    Protocol(String),
}

impl Environment {
    /// What to send; `None` if no variable names an endpoint.
    ///
    /// # Errors
    /// When nothing could be sent so.
    pub fn otlp(&self) -> Result<Option<Otlp>, OtlpError> {
        let is_off =
            self.given("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let traces = !is_off && self.sends("TRACES")?;
        let metrics = !is_off && self.sends("METRICS")?;
        let millis = self.given("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|text| text.parse().ok());
        let timeout = Duration::from_millis(millis.unwrap_or(10_000));
        Ok((traces || metrics).then_some(Otlp { traces, metrics, timeout }))
    }

    /// Whether a signal is sent.
    fn sends(&self, signal: &str) -> Result<bool, OtlpError> {
        let of_signal = |what: &str| format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
        let of_all = |what: &str| format!("OTEL_EXPORTER_OTLP_{what}");
        let first = |what: &str| {
            let names = [of_signal(what), of_all(what)].into_iter();
            names.into_iter().find_map(|name| Some((self.given(&name)?, name)))
        };
        let exporter = self.given(&format!("OTEL_{signal}_EXPORTER"));
        let Some((endpoint, name)) = first("ENDPOINT") else { return Ok(false) };
        if exporter.is_some_and(|exporter| exporter != "otlp") {
            return Ok(false);
        }
        let url = Url::parse(endpoint).ok();
        if !url.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()) {
            return Err(OtlpError::Endpoint(name));
        }
        match first("PROTOCOL") {
            Some((protocol, name)) if protocol != "http/protobuf" => Err(OtlpError::Protocol(name)),
            _ => Ok(true),
        }
    }

    /// The value of a variable. An empty one counts as unset.
    fn given(&self, name: &str) -> Option<&str> {
        self.value(name).map(str::trim).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_usable_endpoint_has_anything_sent() {
        let of = |variables: &[(&str, &str)]| {
            let variables =
                variables.iter().map(|(name, value)| (format!("OTEL_{name}"), (*value).to_owned()));
            Environment::from_iter(variables).otlp()
        };
        let endpoint = ("EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let sent =
            |traces, metrics| Ok(Some(Otlp { traces, metrics, timeout: Duration::from_secs(10) }));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("SERVICE_NAME", "nightly")]), Ok(None));
        assert_eq!(of(&[("EXPORTER_OTLP_ENDPOINT", " ")]), Ok(None));
        assert_eq!(of(&[endpoint]), sent(true, true));
        assert_eq!(of(&[endpoint, ("SDK_DISABLED", "True")]), Ok(None));
        assert_eq!(of(&[endpoint, ("TRACES_EXPORTER", "none")]), sent(false, true));
        let only = ("EXPORTER_OTLP_METRICS_ENDPOINT", "https://collector/v1/metrics");
        assert_eq!(of(&[only]), sent(false, true));
        let grpc = ("EXPORTER_OTLP_PROTOCOL", "grpc");
        let protobuf = ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        let name = "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned();
        assert_eq!(of(&[endpoint, grpc, protobuf]), Err(OtlpError::Protocol(name)));
        let key = of(&[("EXPORTER_OTLP_ENDPOINT", "collector/secret-key")]).unwrap_err();
        assert!(!key.to_string().contains("secret"), "{key}");
    }
}
