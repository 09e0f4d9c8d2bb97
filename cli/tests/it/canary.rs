//! No secret in anything that the program writes: logs down to the last detail, every table,
//! what commands print, what the listeners answer.
//!
//! All secrets hold one word; it is looked for as text, in hexadecimal and in base64.

use afterrun_simulators::mode::Report;
use afterrun_simulators::nudges::{Webhook, mode_event};
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Fault, Mode, ModeOptions, Pace, Tableau, TableauOptions};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::harness::{Ended, Home, Running, eventually};

const WORD: &str = "CANARY";
const PATH_TOKEN: &str = "CANARY-path-token-of-mode";

/// What was written, by where it was written to.
#[derive(Default)]
struct Outputs(Vec<(String, String)>);

impl Outputs {
    fn take(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn run(&mut self, home: &Home, arguments: &[&str]) -> Ended {
        let ended = home.run(arguments);
        self.take(format!("{arguments:?}"), ended.all());
        ended
    }

    /// Asserts that none of these stands anywhere.
    fn hold_none_of(&self, needles: &[String]) {
        for (place, text) in &self.0 {
            for line in text.lines() {
                let found = needles.iter().find(|needle| line.contains(needle.as_str()));
                assert_eq!(found, None, "in {place}: {line}");
            }
        }
    }
}

struct Scene {
    home: Home,
    mode: Mode,
    tableau: Tableau,
}

impl Scene {
    async fn set(pool: &PgPool) -> Self {
        let pace = Pace::millis(10, 10);
        let mode = Mode::start(ModeOptions {
            token: "CANARY-mode-token".into(),
            secret: "CANARY-mode-secret".into(),
            pace,
            ..ModeOptions::default()
        });
        let tableau = Tableau::start(TableauOptions {
            token_name: "CANARY-tableau-name".into(),
            token_secret: "CANARY-tableau-secret".into(),
            secret_value: "CANARY-tableau-app-secret".into(),
            pace,
            ..TableauOptions::default()
        });
        let (mode, tableau) = (mode.await.unwrap(), tableau.await.unwrap());
        mode.add_report(Report::new("5d1b2c3d4e5f", "Sales"));
        tableau.add_workbook(Item::new("Sales", "Finance"));
        tableau.add_datasource(Item::new("Orders", "Finance"));
        let home = Home::new()
            .with("DATABASE_URL", &Self::database(pool).await)
            .with("DBT_WEBHOOK_KEY", "CANARY-webhook-key")
            .with("AFTERRUN_SEND_SECRET", "CANARY-webhook-key")
            .with("AFTERRUN_ADMIN_TOKEN", "CANARY-admin-token")
            .with("AFTERRUN_READ_TOKEN", "CANARY-read-token")
            .with("MODE_TOKEN", mode.token())
            .with("MODE_SECRET", mode.secret())
            .with("TABLEAU_NAME", tableau.token_name())
            .with("TABLEAU_SECRET", tableau.token_secret())
            .with("RUST_LOG", "trace")
            .with("RUST_BACKTRACE", "full");
        std::fs::write(home.path().join("key"), "CANARY-webhook-key-in-a-file\n").unwrap();
        let scene = Self { home, mode, tableau };
        scene.configure("");
        scene
    }

    /// The same database, by a password. Roles are the cluster's, so its name holds the database's.
    async fn database(pool: &PgPool) -> String {
        let owner = PgConnectOptions::clone(&pool.connect_options());
        let database = owner.get_database().unwrap().to_lowercase();
        let name: String = database.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("c{}", &name[name.len().saturating_sub(50)..]);
        let make = format!("create role {name} superuser login password 'CANARY-of-the-database'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(pool).await.unwrap();
        let options = owner.username(&name).password("CANARY-of-the-database");
        sqlx::ConnectOptions::to_url_lossy(&options).to_string()
    }

    fn configure(&self, more: &str) {
        let app = self.tableau.with(|state| state.apps[0].clone());
        self.home.configure(&format!(
            "sources:
  prod:
    kind: dbt
    secrets: [\"${{DBT_WEBHOOK_KEY}}\", \"${{file:key}}\"]
    api: {{ host: ab123.us1.dbt.com, token: CANARY-dbt-api-token }}
  push: {{ kind: mode, connection: mode, path_token: {PATH_TOKEN} }}
connections:
  mode:
    kind: mode
    workspace: {}
    token: ${{MODE_TOKEN}}
    secret: ${{MODE_SECRET}}
    base_url: \"{}\"
  tableau:
    kind: tableau
    server: \"{server}\"
    site: {site}
    token_name: ${{TABLEAU_NAME}}
    token_secret: ${{TABLEAU_SECRET}}
  app:
    kind: tableau
    server: \"{server}\"
    site: {site}
    client_id: {}
    secret_id: {}
    secret_value: CANARY-tableau-app-secret
    username: {}
targets:
  report: {{ connection: mode, report: 5d1b2c3d4e5f }}
  workbook: {{ connection: tableau, workbook: Sales }}
  datasource: {{ connection: app, datasource: Orders }}
routes:
  - {{ name: all, on: success, jobs: [1], refresh: [report, workbook, datasource] }}
defaults:
  retry: {{ initial: 50ms, max: 100ms, give_up_after: 2s }}
  confirm: {{ poll: 50ms, poll_max: 200ms, deadline: 1m }}
{more}",
            self.mode.workspace(),
            self.mode.url(),
            app.client_id,
            app.secret_id,
            app.users[0],
            server = self.tableau.url(),
            site = self.tableau.site(),
        ));
    }

    fn send(&self, outputs: &mut Outputs, url: &str, run: &str) {
        let send = ["send", "--url", url, "--source", "prod", "--job", "1", "--run", run];
        outputs.run(&self.home, &send).exits(0);
    }

    fn forget_faults(&self) {
        self.mode.faults().clear();
        self.tableau.faults().clear();
    }

    /// Waits until every refresh of the newest event has ended in one of these states.
    fn ended(&self, states: &[&str]) {
        eventually(&format!("the newest refreshes have ended in {states:?}"), || {
            let list = self.home.run(&["refreshes", "--limit", "3", "--output", "json"]).exits(0);
            let rows = list.json().as_array().unwrap().clone();
            let ended = |row: &Value| states.contains(&row["refresh_state"].as_str().unwrap());
            (rows.len() == 3 && rows.iter().all(ended)).then_some(())
        });
    }
}

async fn post(url: &str, authorization: Option<&str>, body: &'static str) -> (u16, String) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(body);
    let request =
        authorization.iter().fold(request, |it, value| it.header("authorization", *value));
    #[expect(clippy::disallowed_methods, reason = "this plays whoever knocks at the listener")]
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn get(url: &str) -> String {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
    #[expect(clippy::disallowed_methods, reason = "this plays whoever knocks at the listener")]
    let answer = request.send().await.unwrap();
    format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap())
}

/// Every table and view as text.
async fn dump(pool: &PgPool, outputs: &mut Outputs) {
    let relations: Vec<String> = sqlx::query_scalar(
        "select quote_ident(relname) from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(relations.len() > 12, "{relations:?}");
    for relation in relations {
        let read = format!("select it::text from {relation} as it");
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(read)).fetch_all(pool).await.unwrap();
        outputs.take(relation, rows.join("\n"));
    }
}

fn looked_at(outputs: &mut Outputs, process: &Running) {
    let pid = process.pid();
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
    outputs.take("arguments", String::from_utf8_lossy(&read("cmdline")));
    let limits = String::from_utf8(read("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
}

#[sqlx::test(migrations = false)]
async fn no_secret_stands_in_anything_that_the_program_writes(pool: PgPool) {
    let (mut outputs, scene) = (Outputs::default(), Scene::set(&pool).await);
    let home = &scene.home;
    outputs.run(home, &["migrate", "--roles"]).exits(0);
    for check in [&["check"][..], &["check", "--output", "json"], &["check", "--live"]] {
        outputs.run(home, check).exits(0);
    }
    let (ingest, worker) = (home.ingest(), home.worker());
    worker.says("\"working\"");
    let url = ingest.webhooks();

    // All well.
    scene.send(&mut outputs, &url, "1");
    let nudge = url.replace("/dbt/prod", &format!("/mode/push/{PATH_TOKEN}"));
    let told = mode_event(
        "report_run_completed",
        "report_run_url",
        "https://h/reports/5d1b2c3d4e5f/runs/1",
    );
    assert!(Webhook::of_mode(&nudge).post(&told).await.ok());
    scene.ended(&["succeeded"]);

    // Forged, misplaced, malformed.
    for (url, authorization) in [
        (url.clone(), None),
        (url.clone(), Some("CANARY-webhook-key")),
        (url.clone(), Some("Bearer CANARY-admin-token")),
        (format!("{url}?key=CANARY-in-a-query"), Some("00")),
        (url.replace("prod", "CANARY-as-a-source"), Some("00")),
        (url.replace("/dbt/prod", &format!("/mode/{PATH_TOKEN}/push")), None),
        (url.replace("/dbt/prod", "/mode/push/CANARY-a-wrong-path-token"), None),
        (url.replace("/dbt/prod", &format!("/mode/{PATH_TOKEN}")), None),
    ] {
        let told = || ingest.said().matches("request refused with").count();
        let before = told();
        // Each cause is told once a second, and this one is to be told.
        loop {
            let (status, body) = post(&url, authorization, "{}").await;
            assert!([401, 404].contains(&status), "{status}");
            outputs.take("an answer", body);
            if told() > before {
                break;
            }
        }
    }

    // Tools that say back what they were sent, refuse, redirect, or fail with such words.
    let words = ["CANARY-mode-token", "CANARY-mode-secret", "CANARY-tableau-secret"].join(" ");
    let echo = |status| Fault::Echo { status };
    let redirect = Fault::status(302).header("location", "https://u:CANARY@evil.example/?CANARY");
    for (run, (mode, tableau)) in [
        (echo(401), ("/refresh", echo(422))),
        (echo(422), ("/signin", echo(401))),
        (echo(500), ("/signin", echo(500))),
        (redirect.clone(), ("/signin", redirect)),
        (Fault::GarbageBody, ("/refresh", Fault::status(500).body(words.clone()))),
    ]
    .into_iter()
    .enumerate()
    {
        scene.mode.faults().always("POST", "/runs", mode.clone());
        scene.tableau.faults().always("POST", tableau.0, tableau.1);
        scene.tableau.expire_sessions();
        outputs.run(home, &["check", "--live"]);
        scene.send(&mut outputs, &url, &format!("2{run}"));
        let failed = eventually("Mode's refusal stands in the history", || {
            let list =
                outputs.run(home, &["refreshes", "--limit", "3", "--output", "json"]).exits(0);
            let rows = list.json().as_array().unwrap().clone();
            let report = rows.iter().find(|row| row["target"] == "report")?.clone();
            report["last_error"].is_string().then_some(report)
        });
        outputs.run(home, &["refreshes", "show", &failed["refresh_id"].to_string()]).exits(0);
        if run == 1 {
            worker.says("sign-in refused");
            let held = "select hold_error from connection_state where hold = 'refused'";
            let held: Vec<String> = sqlx::query_scalar(held).fetch_all(&pool).await.unwrap();
            assert!(held.iter().any(|error| error.contains("[secret]")), "{held:?}");
        }
        scene.forget_faults();
        // Nothing of it holds the next round up: a new file is a new credential.
        worker.signal("HUP");
        scene.ended(&["failed", "succeeded"]);
    }

    // A wrong file, in which secrets stand where mistakes are.
    for wrong in [
        "  token: CANARY\n",
        "targets: CANARY\n",
        "unknown: { token: CANARY, secrets: [CANARY] }\n",
        "\t- \"CANARY\n  : [CANARY\n",
    ] {
        scene.configure(wrong);
        outputs.run(home, &["check"]).exits(2);
        outputs.run(home, &["check", "--output", "json"]).exits(2);
        for process in [&ingest, &worker] {
            process.signal("HUP");
        }
    }
    worker.says("the new configuration is refused");
    scene.configure("");

    // Whoever looks and acts.
    let newest = outputs.run(home, &["refreshes", "--limit", "1", "--output", "json"]).exits(0);
    let id = newest.json()[0]["refresh_id"].to_string();
    for command in [
        &["events"][..],
        &["events", "--output", "json"],
        &["refreshes"],
        &["retry", &id],
        &["cancel", &id],
        &["cancel", "CANARY"],
        &["pause", "report"],
        &["resume", "report"],
        &["replay", "--since", "1h", "--dry-run"],
        &["schema"],
    ] {
        let ended = home.run(command);
        // What was asked for may be quoted.
        outputs.take(format!("{command:?}"), ended.all().replace("'CANARY'", "''"));
    }
    for private in [ingest.private(), worker.private()] {
        for path in ["/healthz", "/readyz", "/metrics", "/", "/CANARY-nowhere"] {
            outputs.take(path, get(&format!("{private}{path}")).await);
        }
    }

    let sessions = scene.tableau.with(|state| state.sessions.keys().cloned().collect::<Vec<_>>());
    assert!(!sessions.is_empty());
    dump(&pool, &mut outputs).await;
    looked_at(&mut outputs, &ingest);
    looked_at(&mut outputs, &worker);
    for process in [&ingest, &worker] {
        let log = process.said();
        assert!(log.contains("\"level\":\"TRACE\""), "{log}");
        outputs.take("the log", log);
    }
    // As text; in hexadecimal, as bytea is shown; and at the beginning of Basic credentials.
    let mut needles = vec![WORD.to_owned(), "43414e415259".to_owned(), "Q0FOQVJZ".to_owned()];
    needles.extend(sessions);
    outputs.hold_none_of(&needles);
}

#[test]
fn an_address_of_a_database_that_is_wrong_is_not_repeated() {
    for wrong in [
        "postgres://user:CANARY",
        "postgres://user:CANARY@host:port/db",
        "postgres://user:12?CANARY@127.0.0.1:1/db",
        "postgres://user:1#CANARY@127.0.0.1:1/db",
        "postgres://user:CAN/CANARY@127.0.0.1:1/db",
        "postgres://user@127.0.0.1:1/db?pasword=CANARY&CANARY",
        "mysql://user:CANARY@127.0.0.1/db",
        "CANARY",
        "host=127.0.0.1 password=CANARY",
    ] {
        let home = Home::new().with("DATABASE_URL", wrong).with("RUST_LOG", "trace");
        home.configure("sources: { prod: { kind: dbt, secrets: [a-secret] } }\n");
        for command in ["events", "refreshes"] {
            let ended = home.run(&[command]);
            assert_ne!(ended.code, Some(0), "{ended}");
            assert!(!ended.all().contains(WORD), "{wrong}: {ended}");
        }
        let ended = home.run(&["migrate", "--wait", "10ms"]);
        assert!(!ended.all().contains(WORD), "{wrong}: {ended}");
    }
    let home = Home::new().with("DATABASE_URL", "postgres://u@127.0.0.1:1/db?pasword=CANARY");
    home.configure("sources: { prod: { kind: dbt, secrets: [a-secret] } }\n");
    let ingest = home.ingest();
    ingest.says("DATABASE_URL has a parameter that is not known");
    assert!(!ingest.said().contains(WORD), "{}", ingest.said());
}
