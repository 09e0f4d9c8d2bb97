//! Who is let in, by what, from where, and what is written of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use std::time::Duration;

use afterrun_console::{Access, Keys};
use sqlx::PgPool;

use self::scene::{ADMIN, HTML, READ, Scene, bearer};

const MINUTE: Duration = Duration::from_secs(60);

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_browser_shows_the_token_once_and_is_known_by_its_cookie_until_it_signs_out(
    pool: PgPool,
) {
    let scene = Scene::guarded(&pool);
    let away = scene.get("/refreshes?state=failed", HTML).await;
    assert_eq!(away.status, 303);
    let wanted = "/sign-in?next=%2Frefreshes%3Fstate%3Dfailed";
    assert_eq!(away.header("location"), Some(wanted));
    let form = scene.get(wanted, HTML).await;
    assert!(form.body.contains("value=\"/refreshes?state=failed\""), "{form:?}");

    let answer = scene.sign_in(ADMIN).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/events")));
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("afterrun=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
    let cookie = format!("Cookie: {}\r\n", answer.cookie());
    assert_eq!(scene.get("/", &cookie).await.status, 200);
    let value = answer.cookie().trim_start_matches("afterrun=").to_owned();
    let kept: Vec<u8> = sqlx::query_scalar("select cookie_mac from console_session")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_ne!(hex::encode(kept), value, "what is kept signs nobody in");

    let out = scene.ask("POST", "/sign-out", &format!("{cookie}{}", scene.origin()), "").await;
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(scene.get("/", &cookie).await.status, 401);

    let audit = "select action, subject, granted, result, operator, host(address)
                 from operator_action order by id";
    let audit: Vec<(String, String, bool, String, String, String)> =
        sqlx::query_as(audit).fetch_all(&pool).await.unwrap();
    let row = |action: &str, result: &str, by: &str| {
        let id = "1".to_owned();
        (action.to_owned(), id, true, result.to_owned(), by.to_owned(), "127.0.0.1".to_owned())
    };
    assert_eq!(
        audit,
        [
            row("sign_in", "signed in as admin", "admin token"),
            row("sign_out", "signed out", "admin session 1")
        ]
    );
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_session_ends_when_it_is_left_alone_or_has_lasted_long_or_its_token_is_another(
    pool: PgPool,
) {
    let scene = Scene::guarded(&pool);
    let clock = scene.store.clock().clone();
    let cookie = scene.session(ADMIN).await;
    clock.advance(119 * MINUTE);
    assert_eq!(scene.get("/", &cookie).await.status, 200);
    clock.advance(119 * MINUTE);
    assert_eq!(scene.get("/", &cookie).await.status, 200, "its use began the time anew");
    clock.advance(120 * MINUTE);
    assert_eq!(scene.get("/", &cookie).await.status, 401, "left alone");

    let cookie = scene.session(READ).await;
    for _ in 0..7 {
        clock.advance(100 * MINUTE);
        assert_eq!(scene.get("/", &cookie).await.status, 200);
    }
    clock.advance(20 * MINUTE);
    assert_eq!(scene.get("/", &cookie).await.status, 401, "it has lasted twelve hours");

    let cookie = scene.session(READ).await;
    let keys = Keys::new(Some(ADMIN.into()), Some("another-of-16-or-more".into())).unwrap();
    let after = Scene::on(scene.store.clone(), Access::new(keys, None).unwrap());
    assert_eq!(after.get("/", &cookie).await.status, 401, "its token is another");
    let keys = Keys::new(Some("another-of-16-or-more".into()), Some(READ.into())).unwrap();
    let after = Scene::on(scene.store.clone(), Access::new(keys, None).unwrap());
    assert_eq!(after.get("/", &cookie).await.status, 200);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_open_page_that_nobody_uses_keeps_no_session_and_the_way_in_says_why(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let clock = scene.store.clock().clone();
    let cookie = scene.session(READ).await;
    clock.advance(119 * MINUTE);
    let renewal = format!("{cookie}{HTML}Afterrun-Renewal: yes\r\n");
    assert_eq!(scene.get("/events", &renewal).await.status, 200);
    clock.advance(MINUTE);
    assert_eq!(scene.get("/events", &renewal).await.status, 303, "nobody was there for two hours");
    let away = scene.get("/events", &format!("{cookie}{HTML}")).await;
    let way_in = "/sign-in?next=%2Fevents&ended=yes";
    assert_eq!(away.header("location"), Some(way_in));
    assert!(scene.get(way_in, HTML).await.body.contains("when nobody uses it for 2 hours"));
    assert!(!scene.get("/sign-in", HTML).await.body.contains("signed out"));

    // What changes something was done by somebody, whatever it says.
    let cookie = scene.session(ADMIN).await;
    clock.advance(119 * MINUTE);
    let renewal = format!("{cookie}{}Afterrun-Renewal: yes\r\n", scene.origin());
    assert_eq!(scene.ask("POST", "/refreshes/1/retry", &renewal, "").await.status, 404);
    clock.advance(119 * MINUTE);
    assert_eq!(scene.get("/", &cookie).await.status, 200);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn sessions_are_few_and_those_who_read_end_none_of_those_who_may_change(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let admin = scene.session(ADMIN).await;
    for _ in 0..205 {
        scene.sign_in(READ).await;
    }
    let kept: Vec<(String, i64)> =
        sqlx::query_as("select role, count(*) from console_session group by role order by role")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(kept, [("admin".to_owned(), 1), ("read-only".to_owned(), 200)]);
    assert_eq!(scene.get("/", &admin).await.status, 200);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn wrong_tokens_are_told_noted_and_soon_not_even_compared(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    for header in ["Bearer", "Bearer ", "Basic the-token-of-admins", "the-token-of-admins"] {
        let answer = scene.get("/", &format!("Authorization: {header}\r\n")).await;
        assert_eq!(answer.status, 401, "{header}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], 401);
    }
    let wrong = scene.sign_in("wrong").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.header("set-cookie").is_none());
    let mut statuses = vec![];
    for _ in 0..12 {
        statuses.push(scene.get("/", &bearer("the-token-of-admin")).await.status);
    }
    assert!(statuses.starts_with(&[401; 8]) && statuses.ends_with(&[429; 3]), "{statuses:?}");
    let waits = scene.sign_in(ADMIN).await;
    assert_eq!((waits.status, waits.header("set-cookie")), (429, None));
    let seconds: u64 = waits.header("retry-after").unwrap().parse().unwrap();
    assert!((200..=300).contains(&seconds), "{seconds}");
    assert_eq!(scene.get("/metrics", &bearer("wrong")).await.status, 401, "counted apart");
    assert_eq!(scene.get("/metrics", &bearer(ADMIN)).await.status, 200, "and that alone");
    assert_eq!(scene.get("/", &bearer(READ)).await.status, 429);
    let noted: Vec<(String, String)> = sqlx::query_as(
        "select operator, host(address) from operator_action where action = 'sign_in' and not granted",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(noted[0], ("unknown".to_owned(), "127.0.0.1".to_owned()));
    assert!((9..=10).contains(&noted.len()), "{noted:?}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn scrapes_with_a_wrong_token_are_told_to_wait_and_keep_nobody_from_signing_in(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    for _ in 0..12 {
        assert_eq!(scene.get("/metrics", "").await.status, 401, "it guesses nothing");
    }
    let mut statuses = vec![];
    for _ in 0..12 {
        statuses.push(scene.get("/metrics", &bearer("of-last-year")).await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
    let waits = scene.get("/metrics", &bearer("of-last-year")).await;
    assert!(waits.header("retry-after").is_some(), "{waits:?}");
    assert_eq!(scene.sign_in("wrong").await.status, 401, "counted apart");
    assert_eq!(scene.sign_in(READ).await.status, 303);
    assert_eq!(scene.get("/metrics", &bearer(READ)).await.status, 429, "nothing is guessed here");
}

#[test]
fn tokens_are_never_shown() {
    let keys = Keys::new(Some(ADMIN.into()), Some(READ.into())).unwrap();
    let shown = format!("{keys:?}");
    assert!(!shown.contains(ADMIN) && !shown.contains(READ), "{shown}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_read_only_token_changes_nothing(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let session = format!("{}{}", scene.session(READ).await, scene.origin());
    for headers in [bearer(READ), session.clone()] {
        assert_eq!(scene.get("/", &headers).await.status, 200);
        let refused = scene.ask("POST", "/", &headers, "").await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    assert_eq!(scene.get("/metrics", &bearer(READ)).await.status, 200);
    assert_eq!(scene.ask("POST", "/sign-out", &session, "").await.status, 303);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_page_of_somebody_else_changes_nothing(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let cookie = scene.session(ADMIN).await;
    let own = scene.origin();
    for from in [
        "".to_owned(),
        "Origin: null\r\n".to_owned(),
        "Origin: http://127.0.0.1:1\r\n".to_owned(),
        "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n".to_owned(),
        format!("{own}Sec-Fetch-Site: cross-site\r\n"),
        format!("{own}Sec-Fetch-Site: same-site\r\n"),
        "Sec-Fetch-Site: cross-site\r\n".to_owned(),
        format!("Host: evil.example\r\n{own}"),
    ] {
        let refused = scene.ask("POST", "/sign-out", &format!("{cookie}{from}"), "").await;
        assert_eq!(refused.status, 403, "{from:?}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
        assert_eq!(refused.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(refused.header("cross-origin-opener-policy"), Some("same-origin"));
    }
    let twice = format!("{cookie}{own}{own}");
    assert_eq!(scene.ask("POST", "/sign-out", &twice, "").await.status, 400);
    let signed = scene.get("/", &cookie).await;
    assert_eq!(signed.status, 200, "the session is there still");
    let open = Scene::open(&pool);
    let refused = open.ask("POST", "/", "Origin: https://evil.example\r\n", "").await;
    assert_eq!(refused.status, 403);
    let ours = format!("{own}Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(scene.ask("POST", "/sign-out", &format!("{cookie}{ours}"), "").await.status, 303);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn without_a_token_the_console_answers_to_names_of_this_machine_alone(pool: PgPool) {
    let scene = Scene::open(&pool);
    let port = scene.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("[::1]".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
        ("localhost@evil.example".to_owned(), 421),
        ("10.0.0.1".to_owned(), 421),
        (String::new(), 421),
    ] {
        let answer = scene.get("/", &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
    assert_eq!(scene.get("/sign-in", HTML).await.header("location"), Some("/"));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn behind_tls_the_cookie_is_for_tls_alone(pool: PgPool) {
    let keys = Keys::new(Some(ADMIN.into()), None).unwrap();
    let url = "https://afterrun.example.com";
    Access::new(Keys::default(), Some(url)).unwrap_err();
    let scene = Scene::of(&pool, Access::new(keys, Some(url)).unwrap());
    let headers = format!("Origin: {url}\r\n{}", scene::FORM);
    let answer = scene.ask("POST", "/sign-in", &headers, &format!("token={ADMIN}")).await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-afterrun=") && set.ends_with("; Secure"), "{set}");
    assert!(!set.contains("Domain"));
    let cookie = format!("Cookie: {}\r\n", answer.cookie());
    let page = scene.get("/", &cookie).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("strict-transport-security"), Some("max-age=2592000"));
    assert_eq!(scene.get("/", &cookie.replace("__Host-", "")).await.status, 401);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_page_over_tls_gets_a_cookie_for_tls_alone_also_where_nobody_named_its_address(
    pool: PgPool,
) {
    let scene = Scene::guarded(&pool);
    let host = "Host: afterrun.example.com\r\n";
    let headers = format!("{host}Origin: https://afterrun.example.com\r\n{}", scene::FORM);
    let answer = scene.ask("POST", "/sign-in", &headers, &format!("token={ADMIN}")).await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-afterrun=") && set.ends_with("; Secure"), "{set}");
    // For how long a browser asks the host in no other way is for whoever named it to decide.
    assert_eq!(answer.header("strict-transport-security"), None);
    let old = format!("afterrun={}; ", "0".repeat(64));
    let cookie = format!("Cookie: {old}{}\r\n{host}", answer.cookie());
    assert_eq!(scene.get("/", &cookie).await.status, 200, "what came over TLS goes first");
    let out = format!("{cookie}Origin: https://afterrun.example.com\r\n");
    let out = scene.ask("POST", "/sign-out", &out, "").await;
    for name in ["__Host-afterrun=; ", "afterrun=; "] {
        let line = format!("set-cookie: {name}");
        let line = out.head.lines().find(|it| it.starts_with(&line)).unwrap();
        assert!(line.ends_with("; Max-Age=0"), "{line}");
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_not_there_or_not_taken_says_so(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    let admin = bearer(ADMIN);
    let gone = scene.get("/nowhere", &admin).await;
    assert_eq!((gone.status, gone.json()["status"].as_u64()), (404, Some(404)));
    assert!(scene.get("/nowhere", &format!("{admin}{HTML}")).await.body.contains("<h1>Not Found"));
    let put = scene.ask("PUT", "/sign-in", "", "").await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, POST")));
    let get = scene.get("/sign-out", &admin).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    let nothing = scene.ask("POST", "/sign-in", &scene.origin(), "").await;
    assert_eq!(nothing.status, 400, "{nothing:?}");
}
