//! Channels' settings as `afterrun.yml` has them: what is taken, and how a mistake is named.

use std::path::Path;

use afterrun_core::config::{Config, ConfigError};

use crate::http::{Http, Limits};
use crate::targets::Targets;

const CANARY: &str = "CANARY-7f3a";

fn open(channel: &str) -> Result<Targets, ConfigError> {
    let text = format!(
        "sources: {{ prod: {{ kind: dbt, secrets: [hush] }} }}\nchannels:\n  c: {{ {channel} }}\n"
    );
    let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| Some(CANARY.into()))?;
    Targets::open(config, &Http::new(Limits::default()).unwrap())
}

#[test]
fn every_kind_of_channel_is_taken_as_the_documentation_writes_it() {
    for channel in [
        "kind: slack, url: 'https://hooks.slack.com/services/T/B/x'",
        "kind: teams, url: 'https://x.environment.api.powerplatform.com:443/a?api-version=1&sig=x'",
        "kind: pagerduty, routing_key: '${KEY}'",
        "kind: pagerduty, routing_key: '${KEY}', base_url: 'https://events.eu.pagerduty.com', severity: critical",
        "kind: http, url: 'https://x.example/hook'",
        "kind: http, url: 'https://x.example/hook', token: '${T}', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'",
        "kind: email, host: smtp.acme.com, from: afterrun@acme.com, to: ['Data <data@acme.com>']",
        "kind: email, host: smtp.acme.com, port: 2525, security: starttls, username: u, password: '${P}', from: a@b.com, to: [c@d.com]",
        "kind: email, host: localhost, security: none, username: u, password: '${P}', from: a@b.com, to: [c@d.com]",
    ] {
        if let Err(error) = open(channel) {
            panic!("{channel}: {error}");
        }
    }
}

#[test]
fn a_mistake_in_a_channel_is_named_by_its_place_and_tells_no_secret() {
    for (channel, words) in [
        (
            "kind: slack, url: 'https://h/x', template: '{{ titel }}'",
            "channels.c.template: cannot be used",
        ),
        (
            "kind: discord",
            "there is no channel of the kind `discord` (there are: http, slack, teams, pagerduty, email)",
        ),
        ("kind: slack", "channels.c.url: is missing"),
        (
            "kind: slack, url: 'https://h/CANARY-7f3a', channel: x",
            "channels.c.channel: there is no such key",
        ),
        ("kind: pagerduty, routing_key: ''", "channels.c.routing_key"),
        (
            "kind: pagerduty, routing_key: k, severity: bad",
            "expected one of critical, error, warning, info",
        ),
        (
            "kind: pagerduty, routing_key: k, base_url: 'https://x?y=CANARY-7f3a'",
            "channels.c.base_url",
        ),
        ("kind: http, url: 'https://h/x', secret: CANARY-7f3a", "channels.c.secret"),
        ("kind: http, url: CANARY-7f3a", "channels.c.url"),
        ("kind: email, host: 'smtp.acme.com:25', from: a@b.com, to: [c@d.com]", "bare host name"),
        ("kind: email, host: 169.254.169.254, from: a@b.com, to: [c@d.com]", "metadata"),
        ("kind: email, host: h.com, from: nobody, to: [c@d.com]", "channels.c.from"),
        (
            "kind: email, host: h.com, from: a@b.com, to: [\"c@d.com\\nBcc: e@f.com\"]",
            "channels.c.to[0]",
        ),
        ("kind: email, host: h.com, from: a@b.com, to: []", "`to` is empty"),
        (
            "kind: email, host: h.com, from: a@b.com, to: [c@d.com], password: CANARY-7f3a",
            "go together",
        ),
        (
            "kind: email, host: h.com, security: none, username: u, password: CANARY-7f3a, from: a@b.com, to: [c@d.com]",
            "in the clear",
        ),
    ] {
        let error = open(channel).err().unwrap_or_else(|| panic!("no mistake in {channel}"));
        let text = format!("{error} {error:?}");
        assert!(text.contains(words), "{channel}: {error}");
        assert!(!text.contains(CANARY), "{error}");
    }
}
