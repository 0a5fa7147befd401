//! Traces: where they are sent, and which requests are traced. The variables are those of
//! OpenTelemetry's specification.

use clap::Args;
use url::Url;

/// Where a collector receives traces, below its base URL.
const TRACES_PATH: &str = "/v1/traces";

/// See the module's documentation.
#[derive(Args, Clone, Debug, Default)]
pub struct TraceSettings {
    /// Base URL of an OpenTelemetry collector that receives traces over HTTP, usually at port 4318.
    /// Default: none; nothing is traced.
    // Never shown in help or errors: it can contain a password.
    #[arg(
        long = "otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    pub endpoint: Option<String>,

    /// Which requests are traced: always_on, always_off, traceidratio, or one of these after
    /// parentbased_, which follows the decision of a trusted proxy. Default: parentbased_always_on.
    #[arg(long = "traces-sampler", env = "OTEL_TRACES_SAMPLER")]
    pub sampler: Option<String>,

    /// The part of the requests that traceidratio traces, from 0 to 1. Default: 1.
    #[arg(long = "traces-sampler-arg", env = "OTEL_TRACES_SAMPLER_ARG")]
    pub sampler_arg: Option<String>,
}

/// Which requests are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// True if a request that continues a trace is traced if and only if that trace is.
    pub follows_parent: bool,
    /// The part of the other requests that is traced, from 0 to 1.
    pub ratio: f64,
}

impl TraceSettings {
    /// Returns the URL to which traces are sent; `None` if nothing is traced.
    ///
    /// # Errors
    /// A sentence, if the endpoint is not the URL of a collector. It does not contain the URL,
    /// which may hold a password.
    pub fn url(&self) -> Result<Option<Url>, &'static str> {
        let Some(base) = given(self.endpoint.as_deref()) else {
            return Ok(None);
        };
        let is_web = |base: &Url| matches!(base.scheme(), "http" | "https");
        let base = Url::parse(base).ok().filter(is_web);
        let url = base.and_then(|base| {
            let base = base.as_str().trim_end_matches('/');
            Url::parse(&format!("{base}{TRACES_PATH}")).ok()
        });
        url.map(Some).ok_or(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not the URL of a collector (http://127.0.0.1:4318)",
        )
    }

    /// Returns which requests are traced.
    ///
    /// # Errors
    /// A sentence, if the sampler is unknown or its argument is not a number from 0 to 1.
    pub fn sampling(&self) -> Result<Sampling, &'static str> {
        let name = given(self.sampler.as_deref()).unwrap_or("parentbased_always_on");
        let (follows_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio()?,
            _ => {
                return Err(
                    "OTEL_TRACES_SAMPLER is none of always_on, always_off, traceidratio, parentbased_always_on, \
                     parentbased_always_off and parentbased_traceidratio",
                );
            }
        };
        Ok(Sampling {
            follows_parent,
            ratio,
        })
    }

    fn ratio(&self) -> Result<f64, &'static str> {
        let Some(ratio) = given(self.sampler_arg.as_deref()) else {
            return Ok(1.0);
        };
        match ratio.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
            _ => Err("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1"),
        }
    }
}

/// An empty variable is the same as none.
fn given(variable: Option<&str>) -> Option<&str> {
    variable.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(endpoint: &str) -> Result<Option<String>, &'static str> {
        let settings = TraceSettings {
            endpoint: Some(endpoint.to_owned()),
            ..TraceSettings::default()
        };
        settings.url().map(|url| url.map(String::from))
    }

    #[test]
    fn traces_are_sent_below_the_base_url() {
        assert_eq!(TraceSettings::default().url(), Ok(None));
        assert_eq!(sent_to(" "), Ok(None));
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("http://host/otlp", "http://host/otlp/v1/traces"),
            ("https://collector", "https://collector/v1/traces"),
        ] {
            assert_eq!(sent_to(endpoint), Ok(Some(expected.to_owned())));
        }
        for refused in ["ftp://collector", "collector:4318", "4318", "http://"] {
            assert!(sent_to(refused).is_err(), "{refused}");
        }
    }

    fn sampling(sampler: &str, argument: &str) -> Option<(bool, f64)> {
        let settings = TraceSettings {
            sampler: Some(sampler.to_owned()),
            sampler_arg: Some(argument.to_owned()),
            ..TraceSettings::default()
        };
        let sampling = settings.sampling().ok()?;
        Some((sampling.follows_parent, sampling.ratio))
    }

    #[test]
    fn samplers_have_the_names_of_the_specification() {
        for (sampler, argument, expected) in [
            ("", "", Some((true, 1.0))),
            ("", "0.5", Some((true, 1.0))),
            ("always_on", "", Some((false, 1.0))),
            ("always_off", "", Some((false, 0.0))),
            ("parentbased_always_off", "", Some((true, 0.0))),
            ("traceidratio", "0.25", Some((false, 0.25))),
            ("parentbased_traceidratio", "0", Some((true, 0.0))),
            ("parentbased_traceidratio", "", Some((true, 1.0))),
            ("parentbased_traceidratio", "1.5", None),
            ("parentbased_traceidratio", "NaN", None),
            ("parentbased_traceidratio", "all", None),
            ("jaeger_remote", "", None),
            ("parentbased_", "", None),
        ] {
            assert_eq!(
                sampling(sampler, argument),
                expected,
                "{sampler} {argument}"
            );
        }
    }
}
