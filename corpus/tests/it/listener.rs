//! Numbers 101 and 105, as far as there is something to ask: what may be called, and what the
//! public listener serves.

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_worker::Targets;
use afterrun_worker::http::{Http, Limits};
use sqlx::PgPool;

use crate::harness::*;

/// Gives the mistakes of a file whose two connections are at this address.
fn mistakes_at(address: &str) -> Option<String> {
    let text = format!(
        "sources: {{ prod: {{ kind: dbt, secrets: [x] }} }}\n\
         connections:\n  mode: {{ kind: mode, workspace: acme, token: t, secret: s, base_url: \"{address}\" }}\n  \
         tab: {{ kind: tableau, server: \"{address}\", site: '', token_name: n, token_secret: s }}\n\
         targets:\n  report: {{ connection: mode, report: abc }}\n\
         routes: [{{ name: r, on: success, refresh: [report] }}]\n"
    );
    // Addresses are judged by core, and again by the connector's own type.
    let opened = Config::from_text(Path::new("afterrun.yml"), &text, &|_| None)
        .and_then(|config| Targets::open(config, &Http::new(Limits::default()).unwrap()));
    opened.err().map(|error| error.to_string())
}

#[test]
fn an_address_that_nobody_may_mean_is_refused_by_its_key() {
    for address in [
        "http://169.254.169.254",
        "http://169.254.169.254.",
        "http://0251.0376.0251.0376",
        "http://2852039166",
        "http://0xA9FEA9FE/latest",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1]",
        "http://[fd00:ec2::254]",
        "http://metadata.google.internal",
        "http://METADATA.google.internal.",
        "http://100.100.100.200",
        "https://ok@evil.example",
        "https://user:pw@evil.example",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379",
        "ftp://tool.example",
        "javascript:alert(1)",
        "//tool.example",
        "tool.example",
        "http://",
        "",
    ] {
        let mistakes = mistakes_at(address).unwrap_or_else(|| panic!("{address} is taken"));
        for key in ["connections.mode.base_url", "connections.tab.server"] {
            assert!(mistakes.contains(key), "{address}: {mistakes}");
        }
    }
}

#[test]
fn a_private_address_is_the_operators_choice() {
    for address in
        ["http://127.0.0.1:1", "http://[::1]:1", "http://0177.0.0.1:1", "https://10.1.2.3"]
    {
        assert_eq!(mistakes_at(address), None, "{address}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_public_listener_serves_webhooks_and_health_alone(pool: PgPool) {
    let front = Front::start(pool).await;
    for path in [
        "/",
        "/metrics",
        "/readyz",
        "/api/v1/events",
        "/api/v1/refreshes",
        "/api/v1/targets",
        "/api/v1/openapi.json",
        "/login",
        "/static/app.js",
        "/favicon.ico",
        "/.env",
        "/webhooks",
    ] {
        for method in ["GET", "POST"] {
            let mut client = front.connect().await;
            client.send(request(method, path, &[("Authorization", "Bearer x")], b"")).await;
            assert_eq!(client.answer().await.unwrap().status, 404, "{method} {path}");
        }
    }
    let mut client = front.connect().await;
    client.send(request("GET", "/healthz", &[], b"")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    front.stop().await;
}
