//! How long the console's pages take with a long history behind them, beside the same on an empty
//! database. The pages are found as a person finds them: by the links of the first, and by the filters
//! of lists, one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::{Client, Url};

use crate::database::{Cluster, Database};
use crate::estate::Estate;
use crate::figures;
use crate::fill::fill;
use crate::goal::{Goal, Unit};
use crate::ground::{Configuration, Ground};
use crate::report::{Figure, whole};
use crate::tool::Tool;

/// As many targets as the history has.
const TARGETS: usize = 500;
const ROWS: u64 = 1_000_000;
/// How often each page is asked for.
const TIMES: usize = 20;
/// Of one kind, such as the details of events, so many are asked for.
const OF_A_KIND: usize = 4;
/// A console that goes on for ever is none.
const MOST_PAGES: usize = 300;
/// What is written into a field: nothing has it, so that a list looks for it as far as it ever does.
const NOWHERE: &str = "nowhere to be found";

pub(crate) async fn measure(
    ground: Ground<'_>,
    cluster: &Cluster,
) -> anyhow::Result<(Vec<Figure>, Vec<String>)> {
    let rows = ground.args.history.first().copied().unwrap_or(ROWS);
    let empty = look(ground).await?;
    let database = cluster.keeping("pages").await?;
    fill(&database, rows).await?;
    let full = look(ground.on(&database)).await?;
    cluster.remove(database).await?;

    let behind = whole(rows as f64);
    let mut lines = vec![format!("slowest of {TIMES} answers of each page, {behind} behind:")];
    lines.extend(full.iter().map(|(page, slowest)| format!("  {slowest:>7.1} ms  {page}")));
    let worst = |pages: &BTreeMap<String, f64>| pages.values().copied().fold(f64::NAN, f64::max);
    let what = format!("slowest page of {}, {behind} behind", full.len());
    let figure = Figure::new(what, Unit::Milliseconds, worst(&full))
        .beside("empty", worst(&empty))
        .goal(Goal::AtMost(200.0));
    Ok((vec![figure], lines))
}

/// The slowest answer of each page, in milliseconds.
async fn look(ground: Ground<'_>) -> anyhow::Result<BTreeMap<String, f64>> {
    let tool = Tool::start(Duration::ZERO, ground.database.now().await?)?;
    let configuration = Configuration::whole(&Estate::new(TARGETS, 1), &tool)?;
    let worker = ground.worker(&configuration).await?;
    known(ground.database).await?;
    // Once for the process is enough; nothing here is encrypted.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder().no_proxy().build()?;
    let first = Url::parse(&format!("http://{}/", worker.private))?;
    let pages = walk(&client, first).await?;
    eprintln!("Found {} pages", pages.len());
    let mut slowest = BTreeMap::new();
    for page in pages {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            fetch(&client, page.clone()).await?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let path = page[url::Position::BeforePath..].to_owned();
        slowest.insert(path, figures::percentile(&took, 1.0));
    }
    worker.stop().await?;
    Ok(slowest)
}

/// Waits until the worker has noted its targets.
async fn known(database: &Database) -> anyhow::Result<()> {
    for _ in 0..500 {
        let noted = sqlx::query_scalar("select count(*) from target_freshness");
        let noted: i64 = noted.fetch_one(&database.pool).await?;
        if usize::try_from(noted)? == TARGETS {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the worker did not note its targets within 10 s")
}

/// All pages that can be reached from the first, a few of each kind.
async fn walk(client: &Client, first: Url) -> anyhow::Result<Vec<Url>> {
    let (mut found, mut kinds) = (Vec::new(), BTreeMap::<String, usize>::new());
    let (mut seen, mut ahead) = (BTreeSet::from([first.clone()]), VecDeque::from([first]));
    while let Some(page) = ahead.pop_front() {
        let of_this_kind = kinds.entry(kind(&page)).or_default();
        if *of_this_kind == OF_A_KIND || found.len() == MOST_PAGES {
            continue;
        }
        *of_this_kind += 1;
        let text = fetch(client, page.clone()).await?;
        for link in links(&text, &page).into_iter().chain(filtered(&text, &page)) {
            if seen.insert(link.clone()) {
                ahead.push_back(link);
            }
        }
        found.push(page);
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "a browser's request, not one to a BI tool")]
async fn fetch(client: &Client, page: Url) -> anyhow::Result<String> {
    let answer = client.get(page.clone()).send().await?;
    let answer = answer.error_for_status().with_context(|| format!("asking for {page}"))?;
    Ok(answer.text().await?)
}

/// Pages are of one kind if they differ by a name or a value alone.
fn kind(page: &Url) -> String {
    let parts = page.path_segments().into_iter().flatten();
    let depth = parts.clone().count();
    let given = page.query_pairs().map(|(key, value)| match key.as_ref() {
        // Of a few words, each of which is asked for in another way.
        "state" | "delivery" | "since" => format!("{key}={value}"),
        key => key.to_owned(),
    });
    let keys: Vec<_> = given.collect();
    format!("{:?} {depth} {keys:?}", parts.take(1).collect::<Vec<_>>())
}

/// Links of a page to others of the same console that are pages: neither data nor a stream.
fn links(text: &str, page: &Url) -> Vec<Url> {
    let marked = text.split("<a ").skip(1).filter_map(|tag| tag.split('>').next());
    marked
        .filter_map(|tag| tag.split("href=\"").nth(1)?.split('"').next())
        .filter_map(|link| page.join(&link.replace("&amp;", "&")).ok())
        .filter(|link| link.origin() == page.origin())
        .filter(|link| {
            !["/api/", "/metrics", "/assets/"].iter().any(|no| link.path().starts_with(no))
        })
        .map(|mut link| {
            link.set_fragment(None);
            link
        })
        .collect()
}

/// What a page's filters lead to: each choice of each, and text that nothing has.
fn filtered(text: &str, page: &Url) -> Vec<Url> {
    let value = |tag: &str, key: &str| {
        let given = tag.split(&format!(" {key}=\"")).nth(1)?.split('"').next()?;
        Some(given.replace("&amp;", "&"))
    };
    let mut found = Vec::new();
    for form in text.split("<form class=\"filter\"").skip(1) {
        let form = form.split("</form>").next().unwrap_or_default();
        let Some(action) = value(form, "action").and_then(|to| page.join(&to).ok()) else {
            continue;
        };
        let mut add = |name: &str, value: &str| {
            let mut to = action.clone();
            to.query_pairs_mut().append_pair(name, value);
            found.push(to);
        };
        for field in form.split("<select").skip(1) {
            let field = field.split("</select>").next().unwrap_or_default();
            let Some(name) = value(field, "name") else { continue };
            let options = field.split("<option").skip(1).filter_map(|tag| value(tag, "value"));
            options.filter(|option| !option.is_empty()).for_each(|option| add(&name, &option));
        }
        for field in form.split("<input type=\"text\"").skip(1) {
            if let Some(name) = value(field, "name") {
                add(&name, NOWHERE);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_of_the_same_console() {
        let page = Url::parse("http://127.0.0.1:1/events?state=failed").unwrap();
        let text = "<a class=\"x\" href=\"/refreshes?a=1&amp;b=2#top\">one</a><a href=\"?cursor=c\">\
                    two</a><a href=\"https://app.mode.com/r\">out</a><a href=\"/api/v1/events\">data</a>";
        let found: Vec<String> = links(text, &page).iter().map(Url::to_string).collect();
        let wanted = ["http://127.0.0.1:1/refreshes?a=1&b=2", "http://127.0.0.1:1/events?cursor=c"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn filters_lead_to_each_choice_and_to_what_nothing_has() {
        let page = Url::parse("http://h/runs?job=a").unwrap();
        let text = "<form class=\"filter\" method=\"get\" action=\"/runs\"><select name=\"state\">\
                    <option value=\"\">any</option><option value=\"error\" selected>error</option>\
                    </select><input type=\"text\" name=\"job\" value=\"a\"></form>";
        let found: Vec<String> = filtered(text, &page).iter().map(Url::to_string).collect();
        let wanted = ["http://h/runs?state=error", "http://h/runs?job=nowhere+to+be+found"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn details_are_of_one_kind_and_lists_of_another() {
        let kind = |path: &str| kind(&Url::parse("http://h").unwrap().join(path).unwrap());
        assert_eq!(kind("/events/prod/wev_1"), kind("/events/prod/wev_2"));
        assert_ne!(kind("/events/prod/wev_1"), kind("/events"));
        assert_ne!(kind("/events?state=failed"), kind("/events"));
        assert_ne!(kind("/runs?state=error"), kind("/runs?state=running"));
        assert_eq!(kind("/events?job=1"), kind("/events?job=2"));
    }
}
