//! `afterrun send`: plays dbt towards an ingest, for trying out an installation.

use std::io::Read as _;
use std::path::Path;

use afterrun_core::config::{Config, SourceKind};
use afterrun_core::env;
use afterrun_simulators::SimClock;
use afterrun_simulators::dbt::{self, Answer, Dbt, DbtOptions, Event, Run, RunStatus};
use anyhow::Context as _;
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::args::{self, EventKind};
use crate::exit::Wrong;
use crate::local;
use crate::output::{Paint, clean, line};

/// The job of the documented examples, where no route names another.
const JOB: &str = "282191";

pub(crate) async fn run(config: &Path, args: args::Send) -> anyhow::Result<()> {
    let configured = Configured::read(config, args.source.as_deref())?;
    let secret = match secret(&args, configured.secret)? {
        Some(secret) => secret,
        None => return Err(no_secret(config).into()),
    };
    let url = match (args.url.clone(), configured.source) {
        (Some(url), _) => url,
        (None, Some(source)) => local_url(&source)?,
        (None, None) => return Err(no_source(config, &configured.sources).into()),
    };
    let job = args.job.clone().or(configured.job).unwrap_or_else(|| JOB.into());
    let body = match &args.file {
        Some(file) => read(file)?,
        None => body(&args, job)?,
    };
    let dbt = Dbt::new(DbtOptions::new(url.as_str(), secret));
    let (mut refused, mut status) = (0, None);
    for time in 1..=args.times {
        let answer = dbt.post(&body).await;
        if !answer.ok() {
            refused += 1;
            status = answer.outcome.as_ref().ok().map(|reply| reply.status);
        }
        line(said(&answer, (args.times > 1).then_some((time, args.times))))?;
    }
    anyhow::ensure!(refused == 0, "{}", not_taken(refused, args.times, status, &url));
    Ok(())
}

/// The source's endpoint of a local `up` or `ingest`.
fn local_url(source: &str) -> anyhow::Result<Url> {
    let url = format!("http://{}/webhooks/dbt/{source}", local::public()?);
    url.parse().context("the source's name makes no address")
}

/// What the configuration offers to somebody who gives nothing.
#[derive(Default)]
struct Configured {
    /// Every source of dbt.
    sources: Vec<String>,
    /// The one that is named, or the only one.
    source: Option<String>,
    secret: Option<String>,
    job: Option<String>,
}

impl Configured {
    /// That there is no configuration, or a wrong one, matters only to whoever named a source of it.
    fn read(path: &Path, named: Option<&str>) -> anyhow::Result<Self> {
        let mut dbt = match Config::load_sources(path, &env::var) {
            Ok((sources, _)) => sources,
            Err(error) if named.is_some() => return Err(error.into()),
            Err(_) => return Ok(Self::default()),
        };
        dbt.retain(|_, source| source.kind == SourceKind::Dbt);
        let sources: Vec<_> = dbt.keys().cloned().collect();
        let chosen = match (named, sources.as_slice()) {
            (Some(named), _) => named,
            (None, [only]) => only,
            (None, _) => return Ok(Self { sources, ..Self::default() }),
        };
        let Some(source) = dbt.get(chosen) else {
            let what = format!("{} has no dbt source `{chosen}`", path.display());
            return Err(Wrong(format!("{what}; {}", there_are(&sources))).into());
        };
        let whole = Config::load(path, &env::var).ok();
        let job = whole
            .and_then(|config| config.routes.iter().flat_map(|route| &route.jobs).next().cloned());
        let secret = source.secrets.first().map(|secret| secret.expose_secret().to_owned());
        Ok(Self { source: Some(chosen.to_owned()), secret, job, sources })
    }
}

fn there_are(sources: &[String]) -> String {
    match sources {
        [] => "there is none".into(),
        sources => format!("there is {}", sources.join(", ")),
    }
}

/// What was given for this, then what the named source has, then what may be meant.
fn secret(args: &args::Send, configured: Option<String>) -> anyhow::Result<Option<String>> {
    let variable = |name| -> anyhow::Result<Option<String>> {
        Ok(env::secret(name)?.map(|secret| secret.expose_secret().to_owned()))
    };
    if let Some(secret) = &args.secret {
        return Ok(Some(secret.clone()));
    }
    if let Some(secret) = variable("AFTERRUN_SEND_SECRET")? {
        return Ok(Some(secret));
    }
    if args.source.is_some() {
        return Ok(configured);
    }
    Ok(variable("DBT_WEBHOOK_KEY")?.or(configured))
}

fn no_source(config: &Path, sources: &[String]) -> Wrong {
    Wrong(match sources {
        [] => format!(
            "where to? {} names no dbt source: give --url http://HOST/webhooks/dbt/SOURCE",
            config.display()
        ),
        sources => format!(
            "{} has several dbt sources: name one with --source; {}",
            config.display(),
            there_are(sources)
        ),
    })
}

fn no_secret(config: &Path) -> Wrong {
    Wrong(format!(
        "there is no secret to sign with: set AFTERRUN_SEND_SECRET or DBT_WEBHOOK_KEY to one of \
         the source's secrets, or name with --source one of the sources of {}",
        config.display()
    ))
}

/// A body as dbt would write it now, of a run that ended just now.
fn body(args: &args::Send, job: String) -> anyhow::Result<Vec<u8>> {
    let now = SimClock::real().now();
    let status = args.status.unwrap_or(match args.event {
        EventKind::Started => RunStatus::Running,
        EventKind::Completed => RunStatus::Success,
        EventKind::Errored => RunStatus::Errored,
    });
    let run = args.run.clone().unwrap_or_else(|| now.timestamp_millis().to_string());
    let ended = now - TimeDelta::seconds(2);
    let mut event = Event::of(Run::of(job, run, status, ended - TimeDelta::minutes(5), ended), now);
    if let Some(id) = &args.event_id {
        event.event_id.clone_from(id);
    }
    Ok(match args.event {
        EventKind::Started => dbt::started(&event),
        EventKind::Completed => dbt::completed(&event),
        EventKind::Errored => dbt::errored(&event),
    })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut body)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut body))
    };
    read.with_context(|| format!("could not read the body from {}", file.display()))?;
    Ok(body)
}

/// `200 stored wev_… in 12 ms`, or why there was no answer.
fn said(answer: &Answer, counted: Option<(u32, u32)>) -> String {
    let paint = Paint::stdout();
    let took = answer.took.as_millis();
    let said = match &answer.outcome {
        Ok(reply) => {
            let text = String::from_utf8_lossy(&reply.body);
            let fields: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let words = match (fields["status"].as_str(), fields["event_id"].as_str()) {
                (Some(status), Some(event_id)) => format!("{status} {event_id}"),
                _ => text.trim().to_owned(),
            };
            let status = reply.status.to_string();
            let status = if answer.ok() { paint.green(status) } else { paint.red(status) };
            format!("{status} {} in {took} ms", clean(&words))
        }
        Err(error) => format!("{} {} after {took} ms", paint.red("no answer:"), clean(error)),
    };
    match counted {
        Some((time, times)) => format!("{time}/{times} {said}"),
        None => said,
    }
}

fn not_taken(refused: u32, times: u32, status: Option<u16>, url: &Url) -> String {
    let place = format!("{}{}", url.authority(), url.path());
    let hint = match status {
        Some(404) => "; the path is /webhooks/dbt/SOURCE",
        Some(401) => "; is there such a source, and the secret one of its own?",
        _ => "",
    };
    if times == 1 {
        format!("{place} did not take the event{hint}")
    } else {
        format!("{place} did not take {refused} of {times} deliveries{hint}")
    }
}
