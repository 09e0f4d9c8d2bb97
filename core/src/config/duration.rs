//! Durations as the file writes them: a whole number and a unit, `500ms`, `5s`, `15m`, `2h`, `90d`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// What a duration looks like, for error texts.
pub(crate) const SHAPE: &str = "a duration such as `500ms`, `5s`, `15m`, `2h` or `90d`";

/// Longer ones would leave the range of the database's timestamps.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// None for anything but a whole number with one of the units, or for more than a hundred years.
pub fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
    (duration <= LONGEST).then_some(duration)
}

/// In the largest unit that divides it.
pub(crate) fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = |(_, size): &&(&str, u128)| milliseconds.is_multiple_of(*size);
    match units.iter().find(fits) {
        Some((_, _)) if milliseconds == 0 => "0s".to_owned(),
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None => format!("{milliseconds}ms"),
    }
}

/// For `#[serde(deserialize_with = "afterrun_core::config::duration::deserialize")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(SHAPE)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Text)
}

/// A duration in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written(pub(crate) Duration);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Written)
    }
}

impl schemars::JsonSchema for Written {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A whole number and a unit: 500ms, 5s, 15m, 2h, 90d",
            "type": "string",
            "pattern": r"^([0-9]+(ms|s|m|h|d)|\$\{.+\})$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_number_with_a_unit_is_a_duration() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("0s", 0),
            ("5s", 5_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(written(Duration::from_millis(milliseconds)), text);
        }
        for text in
            ["", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5h", "1h30m", "5M", "5min", "5w"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("99999999999999999999d"), None);
        assert_eq!(parse("18446744073709551615d"), None);
        assert_eq!(parse("40000d"), None, "more than a hundred years");
    }
}
