use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

#[tokio::test]
async fn a_server_that_is_killed_comes_back_under_the_same_address_with_its_data() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    tell(server.url(), "create table kept as select 42::bigint as answer").await;
    kill(Pid::from_raw(pid(&folder.0)), Signal::SIGKILL).unwrap();

    until("the server's return", || async {
        ask(server.url(), "select answer from kept").await.is_ok_and(|answer| answer == 42)
    })
    .await;
}

#[tokio::test]
async fn a_dropped_server_is_stopped() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    let url = server.url().to_owned();
    drop(server);
    assert!(ask(&url, "select 1::bigint").await.is_err());
    assert!(!folder.0.join("postgres/postmaster.pid").exists());
}

#[tokio::test]
async fn a_throwaway_server_leaves_nothing() {
    let server = Server::throwaway(&|_| ()).await.unwrap();
    assert_eq!(ask(server.url(), "select 1::bigint").await.unwrap(), 1);
    let data_dir = server.data_dir().to_owned();
    assert!(data_dir.exists());
    server.stop().await;
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn a_server_does_not_outlive_a_program_that_is_killed() {
    let folder = Folder::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
        .args(["sh", "-c", "echo \"$DATABASE_URL\"; read -r _"])
        .env("TMPDIR", &folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut url).unwrap();
    assert_eq!(ask(url.trim(), "select 1::bigint").await.unwrap(), 1);
    program.kill().unwrap();
    program.wait().unwrap();

    until("the server's end", || async { ask(url.trim(), "select 1::bigint").await.is_err() })
        .await;
}

#[test]
fn the_exit_code_of_with_postgres_is_that_of_its_command() {
    let status = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
        .args(["sh", "-c", "exit 7"])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_left_running_by_a_killed_program_is_stopped_before_the_next_start() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;

    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    tell(server.url(), "create table kept as select 42::bigint as answer").await;
    let command = std::fs::read(format!("/proc/{}/cmdline", pid(&folder.0))).unwrap();
    let command: Vec<&str> =
        command.split(|byte| *byte == 0).map(|word| str::from_utf8(word).unwrap()).collect();
    server.stop().await;

    // The same server again, with nobody to look after it.
    let owner = std::fs::metadata(folder.0.join("postgres")).unwrap();
    let mut left_over = Command::new(command[0]);
    left_over.args(&command[1..command.len() - 1]).current_dir("/").stderr(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        left_over.uid(owner.uid()).gid(owner.gid());
    }
    let mut left_over = left_over.spawn().unwrap();
    until("the start of the server to be left", || async {
        folder.0.join("postgres/postmaster.pid").exists()
    })
    .await;

    let server = folder.start().await.unwrap();
    assert!(left_over.wait().unwrap().success());
    assert_eq!(ask(server.url(), "select answer from kept").await.unwrap(), 42);
}

#[tokio::test]
async fn the_mark_of_a_dead_server_does_not_hinder_a_start_nor_harm_who_has_its_number_now() {
    let folder = Folder::new();
    let server = folder.start().await.unwrap();
    server.stop().await;
    // This very process has the number now.
    let mark = folder.0.join("postgres/postmaster.pid");
    std::fs::write(&mark, format!("{}\n/elsewhere\n", std::process::id())).unwrap();
    let server = folder.start().await.unwrap();
    assert_eq!(ask(server.url(), "select 1::bigint").await.unwrap(), 1);
}
