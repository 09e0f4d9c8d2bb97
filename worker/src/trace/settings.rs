//! Where traces are sent to, by the variables that OpenTelemetry has for it.
//!
//! Invariant: nothing is sent unless an endpoint is named; no error shows a header.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use afterrun_core::env::{self, EnvError};
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

const SERVICE: &str = "afterrun";

/// How long the collector may take. A call is not begun with less than a few seconds.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Where traces are sent to, and as whose.
#[derive(Clone)]
pub struct TraceSettings {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    /// Of the service, by their names.
    pub(super) resource: BTreeMap<String, String>,
}

impl TraceSettings {
    /// What the environment says; none if it names no endpoint, or switches traces off.
    ///
    /// # Errors
    /// A variable that cannot be used, by its name.
    pub fn from_env() -> Result<Option<Self>, EnvError> {
        let off = env::parsed::<Text>("OTEL_SDK_DISABLED")?;
        let exporter = env::parsed::<Text>("OTEL_TRACES_EXPORTER")?;
        if off.is_some_and(|off| off.0.eq_ignore_ascii_case("true"))
            || exporter.is_some_and(|exporter| exporter.0 == "none")
        {
            return Ok(None);
        }
        let own = env::parsed::<Address>("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")?;
        let of_all = || env::parsed::<Address>("OTEL_EXPORTER_OTLP_ENDPOINT");
        let url = match own {
            Some(own) => own.0,
            None => match of_all()? {
                Some(base) => base.traces(),
                None => return Ok(None),
            },
        };
        either::<Protocol>("PROTOCOL")?;
        let named = either::<Pairs>("HEADERS")?.map(|pairs| pairs.headers()).transpose();
        let headers = named.map_err(|source| EnvError::NotUnderstood {
            name: "OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
            source: source.into(),
        })?;
        let timeout =
            either::<u64>("TIMEOUT")?.map_or(Duration::from_secs(10), Duration::from_millis);
        let mut resource = env::parsed::<Pairs>("OTEL_RESOURCE_ATTRIBUTES")?.unwrap_or_default().0;
        if let Some(name) = env::parsed::<Text>("OTEL_SERVICE_NAME")? {
            resource.insert("service.name".to_owned(), name.0);
        }
        resource.entry("service.name".to_owned()).or_insert_with(|| SERVICE.to_owned());
        let timeout = timeout.clamp(TIMEOUT.0, TIMEOUT.1);
        Ok(Some(Self { url, headers: headers.unwrap_or_default(), timeout, resource }))
    }

    /// To this collector, as if its address and its headers were all that the environment said.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(endpoint: &str, headers: &str) -> Result<Self, &'static str> {
        Ok(Self {
            url: endpoint.parse::<Address>()?.traces(),
            headers: headers.parse::<Pairs>()?.headers()?,
            timeout: TIMEOUT.0,
            resource: BTreeMap::from([("service.name".to_owned(), SERVICE.to_owned())]),
        })
    }
}

/// The variable for traces alone, else the one for all signals.
fn either<T>(what: &str) -> Result<Option<T>, EnvError>
where
    T: FromStr,
    T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match env::parsed(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"))? {
        None => env::parsed(&format!("OTEL_EXPORTER_OTLP_{what}")),
        own => Ok(own),
    }
}

struct Text(String);

impl FromStr for Text {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

struct Address(Url);

impl Address {
    /// Where traces go to at an endpoint for all signals.
    fn traces(mut self) -> Url {
        let path = format!("{}/v1/traces", self.0.path().trim_end_matches('/'));
        self.0.set_path(&path);
        self.0
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usable = |url: &Url| {
            let plain = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain
        };
        Url::parse(text).ok().filter(usable).map(Self).ok_or(
            "it is to be an http:// or https:// address without user and password, \
             such as http://localhost:4318",
        )
    }
}

struct Protocol;

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ours = text == "http/protobuf";
        ours.then_some(Self).ok_or("traces are sent by http/protobuf only, as a rule to port 4318")
    }
}

/// `name=value,name=value`, percent-encoded.
#[derive(Default)]
struct Pairs(BTreeMap<String, String>);

impl FromStr for Pairs {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "it is to be name=value, with commas between, percent-encoded";
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_owned(), value.into_owned()))
        };
        pairs.map(pair).collect::<Option<_>>().map(Self).ok_or(WRONG)
    }
}

impl Pairs {
    fn headers(self) -> Result<HeaderMap, &'static str> {
        let header = |(name, value): (String, String)| {
            let mut value = HeaderValue::try_from(value).map_err(|_| "a value cannot be sent")?;
            value.set_sensitive(true);
            let name = HeaderName::try_from(name).map_err(|_| "a name cannot be sent")?;
            Ok((name, value))
        };
        self.0.into_iter().map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_to_an_endpoint_for_all_signals() {
        for (endpoint, wanted) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otel.example/otlp/", "https://otel.example/otlp/v1/traces"),
        ] {
            let settings = TraceSettings::new(endpoint, "").unwrap();
            assert_eq!(settings.url.as_str(), wanted);
        }
        for wrong in ["localhost:4318", "grpc://localhost", "http://user:pw@localhost", ""] {
            assert!(TraceSettings::new(wrong, "").is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_decoded_and_kept_out_of_errors_and_of_what_is_printed() {
        let settings = TraceSettings::new("http://localhost", "Authorization=Basic%20a%3D, x=y");
        let headers = settings.unwrap().headers;
        assert_eq!(headers["authorization"], "Basic a=");
        assert!(!format!("{headers:?}").contains("Basic"));
        for wrong in ["Authorization: secret", "a b=secret", "a=secret%0A"] {
            let why = TraceSettings::new("http://localhost", wrong).err().unwrap();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
