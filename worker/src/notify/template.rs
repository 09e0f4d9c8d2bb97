//! The words of a message: the first line is its title, the rest says more.
//!
//! Invariant: a template only ever makes text. What a channel would read as more than that is escaped
//! after it, so neither it nor what it repeats from outside pings anybody.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::message::{Note, Saying, detail, title};
use crate::http::clean;

/// Steps of a template; one that loops for longer is wrong.
const FUEL: u64 = 20_000;

const NAME: &str = "template";

/// A channel's own words, or ours.
pub(super) struct Template(Option<Environment<'static>>);

impl Template {
    /// Reads a template and tries it, so that a wrong one is known when the configuration is read.
    pub(super) fn parse(source: Option<&str>) -> Result<Self, String> {
        let Some(source) = source else { return Ok(Self(None)) };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| format!("is not a template: {}", clean(&error.to_string())))?;
        for saying in [Saying::Open, Saying::Resolved, Saying::Once] {
            let text = render(&environment, &sample(saying))
                .map_err(|error| format!("cannot be used: {}", clean(&error.to_string())))?;
            if text.trim().is_empty() {
                return Err(format!("makes no text of a thing whose state is {}", saying.as_str()));
            }
        }
        Ok(Self(Some(environment)))
    }

    /// The thing with the words that are told.
    pub(super) fn worded(&self, note: &Note) -> Note {
        let (title, detail) = match self.0.as_ref().map(|own| render(own, note)) {
            None => (title(note), detail(note)),
            Some(Ok(text)) => {
                let (title, detail) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
                (title.to_owned(), detail.trim().to_owned())
            }
            // People are told all the same.
            Some(Err(error)) => {
                let why = clean(&error.to_string());
                (title(note), format!("{}\n(the channel's template failed: {why})", detail(note)))
            }
        };
        Note { title, detail, ..note.clone() }
    }
}

fn render(environment: &Environment<'_>, note: &Note) -> Result<String, minijinja::Error> {
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    environment.get_template(NAME)?.render(context! {
        state => note.saying.as_str(),
        kind => note.kind.as_str(),
        subject => note.subject.as_str(),
        title => note.title.as_str(),
        detail => note.detail.as_str(),
        url => note.url.as_deref().unwrap_or_default(),
        occurrences => note.occurrences,
        opened_at => time(note.opened_at),
        last_at => time(note.last_at),
        resolved_at => note.resolved_at.map(time).unwrap_or_default(),
    })
}

fn sample(saying: Saying) -> Note {
    let at = chrono::DateTime::UNIX_EPOCH;
    Note {
        id: 1,
        kind: "refresh_failed".into(),
        subject: "sales".into(),
        key: "refresh_failed/sales".into(),
        saying,
        telling: 0,
        title: "The refresh of sales failed".into(),
        detail: "Refresh 1".into(),
        url: None,
        opened_at: at,
        last_at: at,
        resolved_at: (saying == Saying::Resolved).then_some(at),
        occurrences: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_makes_the_words_and_its_first_line_the_title() {
        let source = "{% if state == 'resolved' %}OK{% else %}Oh{% endif %}: {{ title }}\n{{ kind }} {{ subject }}\n{{ detail }}";
        let template = Template::parse(Some(source)).unwrap();
        let note = template.worded(&sample(Saying::Open));
        assert_eq!(note.title, "Oh: The refresh of sales failed");
        assert_eq!(note.detail, "refresh_failed sales\nRefresh 1");
        assert!(template.worded(&sample(Saying::Resolved)).title.starts_with("OK: "));
    }

    #[test]
    fn a_wrong_template_is_known_before_it_is_used() {
        for (source, words) in [
            ("{{ titel }}", "undefined"),
            ("{% if %}", "is not a template"),
            ("{% if state == 'open' %}x{% endif %}", "makes no text"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                "cannot be used",
            ),
        ] {
            let error = Template::parse(Some(source)).err().unwrap();
            assert!(error.contains(words), "{source}: {error}");
        }
    }
}
