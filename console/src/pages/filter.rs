//! Filters of lists: plain forms whose choices stay in the address.

use afterrun_core::config::Config;
use maud::{Markup, html};

use super::asked::Asked;
use super::problem::NoPage;

const SINCE: [(&str, &str); 5] = [
    ("", "any time"),
    ("1h", "the last hour"),
    ("24h", "the last 24 hours"),
    ("7d", "the last 7 days"),
    ("30d", "the last 30 days"),
];

/// One of these, which stand in the configuration.
pub(super) fn named<'a>(
    key: &str,
    label: &str,
    names: impl Iterator<Item = &'a String>,
    asked: &Asked,
) -> Result<Markup, NoPage> {
    let chosen = asked.one(key)?;
    let names: Vec<_> = names.map(String::as_str).collect();
    let gone = chosen.filter(|chosen| !names.contains(chosen));
    Ok(html! {
        label { (label) " "
            select name=(key) {
                option value="" { "any" }
                @for name in gone.into_iter().chain(names.iter().copied()) {
                    option value=(name) selected[chosen == Some(name)] { (name) }
                }
            }
        }
    })
}

/// One of these words.
pub(super) fn choice(
    key: &str,
    label: &str,
    choices: &[(&str, &str)],
    asked: &Asked,
) -> Result<Markup, NoPage> {
    let chosen = asked.one(key)?.unwrap_or_default();
    Ok(html! {
        label { (label) " "
            select name=(key) {
                @for (value, word) in choices {
                    option value=(value) selected[*value == chosen] { (word) }
                }
            }
        }
    })
}

/// A choice without what it stands for.
pub(super) fn word<T>(
    (value, word, _): (&'static str, &'static str, &[T]),
) -> (&'static str, &'static str) {
    (value, word)
}

/// What the choice that was made stands for, of these.
pub(super) fn meant<T: Clone>(
    key: &str,
    choices: &[(&str, &str, &[T])],
    asked: &Asked,
) -> Result<Vec<T>, NoPage> {
    let chosen = asked.one(key)?.unwrap_or_default();
    let found = choices.iter().find(|(known, ..)| *known == chosen);
    found.map(|(.., meant)| meant.to_vec()).ok_or_else(|| {
        let known: Vec<_> = choices.iter().skip(1).map(|(known, ..)| *known).collect();
        NoPage::wrong(format!("`{key}` is one of {}", known.join(", ")))
    })
}

pub(super) fn since(asked: &Asked) -> Result<Markup, NoPage> {
    choice("since", "Since", &SINCE, asked)
}

/// Free text.
pub(super) fn words(key: &str, label: &str, asked: &Asked) -> Result<Markup, NoPage> {
    Ok(html! {
        label { (label) " " input type="text" name=(key) value=(asked.one(key)?.unwrap_or_default()) maxlength="200"; }
    })
}

/// The form around them.
pub(super) fn form(action: &str, fields: &[Markup]) -> Markup {
    html! {
        form.filter method="get" action=(action) role="search" {
            @for field in fields { (field) }
            button type="submit" { "Filter" }
            a href=(action) { "Clear" }
        }
    }
}

pub(super) fn targets(config: &Config, asked: &Asked) -> Result<Markup, NoPage> {
    named("target", "Target", config.targets.keys(), asked)
}
