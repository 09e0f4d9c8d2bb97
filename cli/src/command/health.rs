//! `afterrun health`: asks a running process; for containers, whose images have no curl.

use std::time::Duration;

use anyhow::Context as _;

use crate::output::{clean, line};
use crate::{args, local};

/// Longer than the process may take to look at its database.
const WITHIN: Duration = Duration::from_secs(4);

pub(crate) async fn run(args: args::Health) -> anyhow::Result<()> {
    let mut url = match args.url {
        Some(url) => url,
        None => {
            let local = format!("http://{}/", local::private()?);
            local.parse().context("the listener's address makes no URL")?
        }
    };
    if url.path() == "/" {
        url.set_path("/readyz");
    }
    let place = format!("{}{}", url.authority(), url.path());
    let client =
        reqwest::Client::builder().timeout(WITHIN).no_proxy().tls_certs_only([]).build()?;
    let unreachable = || format!("nobody answers at {place}");
    let get = client.get(url.clone());
    #[expect(clippy::disallowed_methods, reason = "the program asks itself, not a BI tool")]
    let sent = get.send().await;
    let answer = sent.map_err(reqwest::Error::without_url).with_context(unreachable)?;
    let status = answer.status();
    let text =
        answer.text().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
    if !status.is_success() {
        anyhow::bail!("{place} answers {}: {}", status.as_u16(), clean(text.trim()));
    }
    Ok(line(clean(text.trim()))?)
}
