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
    /// Reads a template and tries it on what the channel is told of, so that a wrong one is known when
    /// the configuration is read.
    pub(super) fn parse(source: Option<&str>, told: &[(&str, Saying)]) -> Result<Self, String> {
        let Some(source) = source else { return Ok(Self(None)) };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| format!("is not a template: {}", clean(&error.to_string())))?;
        for (kind, saying) in told {
            let text = render(&environment, &sample(kind, *saying))
                .map_err(|error| format!("cannot be used: {}", clean(&error.to_string())))?;
            if is_blank(split(&text).0) {
                let state = saying.as_str();
                return Err(format!(
                    "makes no title of a {kind} whose state is {state}; the first line is the title"
                ));
            }
        }
        Ok(Self(Some(environment)))
    }

    /// The thing with the words that are told.
    pub(super) fn worded(&self, note: &Note) -> Note {
        let (title, detail) = match self.0.as_ref().map(|own| render(own, note)) {
            None => (title(note), detail(note)),
            Some(Ok(text)) => {
                let (own, detail) = split(&text);
                // What comes from outside can be blank where a template hopes for a word.
                let own = if is_blank(own) { title(note) } else { own.to_owned() };
                (own, detail.to_owned())
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

/// The title, and the rest.
fn split(text: &str) -> (&str, &str) {
    let (title, detail) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    (title, detail.trim())
}

/// Whether nobody would see anything of it.
fn is_blank(title: &str) -> bool {
    let is_seen = |c: char| {
        !c.is_whitespace()
            && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
    };
    !clean(title).chars().any(is_seen)
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

fn sample(kind: &str, saying: Saying) -> Note {
    let at = chrono::DateTime::UNIX_EPOCH;
    Note {
        id: 1,
        kind: kind.into(),
        subject: "sales".into(),
        key: format!("{kind}/sales/1"),
        saying,
        telling: 0,
        title: "The refresh of sales failed".into(),
        detail: "Refresh 1".into(),
        url: None,
        opened_at: at,
        last_at: at,
        resolved_at: (saying == Saying::Resolved).then_some(at),
        unwatched: false,
        occurrences: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: &str = "refresh_failed";

    const TOLD: [(&str, Saying); 2] = [(FAILED, Saying::Open), (FAILED, Saying::Resolved)];

    #[test]
    fn a_template_makes_the_words_and_its_first_line_the_title() {
        let source = "{% if state == 'resolved' %}OK{% else %}Oh{% endif %}: {{ title }}\n{{ kind }} {{ subject }}\n{{ detail }}";
        let template = Template::parse(Some(source), &TOLD).unwrap();
        let note = template.worded(&sample(FAILED, Saying::Open));
        assert_eq!(note.title, "Oh: The refresh of sales failed");
        assert_eq!(note.detail, "refresh_failed sales\nRefresh 1");
        assert!(template.worded(&sample(FAILED, Saying::Resolved)).title.starts_with("OK: "));
    }

    #[test]
    fn what_a_template_makes_no_title_of_has_ours() {
        let template = Template::parse(Some("{{ subject }}\n{{ detail }}"), &TOLD).unwrap();
        for subject in ["", " \t", "\u{200b}", "\u{1b}[2J"] {
            let note = Note { subject: subject.to_owned(), ..sample(FAILED, Saying::Resolved) };
            // Without a first line the second would be the title.
            let note = Note { detail: String::new(), ..note };
            let title = template.worded(&note).title;
            assert_eq!(title, "Resolved: The refresh of sales failed", "{subject:?}");
        }
    }

    #[test]
    fn a_wrong_template_is_known_before_it_is_used() {
        for (source, words) in [
            ("{{ titel }}", "undefined"),
            ("{% if %}", "is not a template"),
            (
                "{% if state == 'open' %}x{% endif %}",
                "makes no title of a refresh_failed whose state is resolved",
            ),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                "cannot be used",
            ),
        ] {
            let error = Template::parse(Some(source), &TOLD).err().unwrap();
            assert!(error.contains(words), "{source}: {error}");
        }
        let once = [("run", Saying::Once)];
        let source = "{% if state == 'once' %}{{ title }}{% endif %}";
        assert!(Template::parse(Some(source), &once).is_ok(), "what it is never told is not tried");
    }
}
