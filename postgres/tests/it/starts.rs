use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::*;

#[tokio::test]
async fn a_server_starts_and_answers() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    let version =
        ask(server.url(), "select current_setting('server_version_num')::bigint").await.unwrap();
    assert!(version >= 150_000, "{version}");
    assert_eq!(ask(server.url(), "select count(*) from pg_database").await.unwrap(), 4);
    server.stop().await;
}

#[tokio::test]
async fn data_and_address_survive_a_restart() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    let url = server.url().to_owned();
    tell(&url, "create table kept as select 42::bigint as answer").await;
    server.stop().await;

    let server = folder.start().await.unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(ask(&url, "select answer from kept").await.unwrap(), 42);
}

#[tokio::test]
async fn a_second_start_on_the_same_data_directory_refuses_and_says_who_has_it() {
    let folder = Folder::new();
    let first = folder.start().await.unwrap();
    let error = folder.start().await.unwrap_err();
    assert!(matches!(error, PostgresError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert_eq!(ask(first.url(), "select 1::bigint").await.unwrap(), 1);
}

#[tokio::test]
async fn nobody_gets_in_without_the_password_of_the_data_directory() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    let (user, rest) = server.url().rsplit_once('@').unwrap();
    let (user, _password) = user.rsplit_once(':').unwrap();
    assert!(ask(&format!("{user}@{rest}"), "select 1::bigint").await.is_err());
    assert!(ask(&format!("{user}:guess@{rest}"), "select 1::bigint").await.is_err());
    let mode = std::fs::metadata(folder.0.join("password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_password_file_that_is_not_of_this_data_is_said_soon() {
    let folder = Folder::new();
    folder.start().await.unwrap().stop().await;
    std::fs::write(folder.0.join("password"), "another\n").unwrap();
    let error = folder.start().await.unwrap_err();
    assert!(matches!(error, PostgresError::SetUp { .. }), "{error}");

    std::fs::remove_file(folder.0.join("password")).unwrap();
    let error = folder.start().await.unwrap_err();
    assert!(matches!(error, PostgresError::PasswordLost { .. }), "{error}");
}

#[tokio::test]
async fn an_initdb_that_was_killed_half_way_is_started_over() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.0.join("postgres.new/base")).unwrap();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::write(folder.0.join("postgres.new/PG_VERSION"), "15\n").unwrap();
    let server = folder.start().await.unwrap();
    assert_eq!(ask(server.url(), "select 1::bigint").await.unwrap(), 1);
}

#[tokio::test]
async fn as_root_a_directory_that_only_root_may_enter_is_replaced_by_one_in_var_lib() {
    let closed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = closed.path().join("data");
    let server = start(&data_dir).await.unwrap();
    if geteuid().is_root() {
        assert!(server.data_dir().starts_with("/var/lib/afterrun"), "{server:?}");
        assert!(!data_dir.exists());
    } else {
        assert_eq!(server.data_dir(), data_dir);
    }
    assert_eq!(ask(server.url(), "select 1::bigint").await.unwrap(), 1);
    let really = server.data_dir().to_owned();
    server.stop().await;
    std::fs::remove_dir_all(really).unwrap();
}

/// As an ordinary user every other test of this file shows it; as root this one runs the first of
/// them again as an ordinary user.
#[test]
fn an_ordinary_user_can_start_a_server_too() {
    if !geteuid().is_root() {
        return;
    }
    // Where that user can reach it.
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(&program)
        .args(["--exact", "starts::a_server_starts_and_answers"])
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_wrong_afterrun_pg_bin_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
        .arg("true")
        .env("AFTERRUN_PG_BIN", "/nowhere/bin")
        .env("PATH", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("AFTERRUN_PG_BIN is /nowhere/bin"), "{said}");
}
