//! `with-postgres COMMAND…`: runs a command with `DATABASE_URL` set to a server of its own, which is
//! removed afterwards. Its exit code is the command's.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use afterrun_postgres::Server;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let command: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some((program, arguments)) = command.split_first() else {
        eprintln!("usage: with-postgres COMMAND [ARGUMENT…]");
        return ExitCode::from(2);
    };
    match run(program, arguments).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-postgres: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(program: &OsString, arguments: &[OsString]) -> Result<u8, Box<dyn std::error::Error>> {
    // From here on neither signal ends this process before the server is stopped. Ctrl-C reaches
    // the command by itself; SIGTERM is passed on.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::throwaway(&|line| eprintln!("{line}")).await?;
    let mut command =
        Command::new(program).args(arguments).env("DATABASE_URL", server.url()).spawn()?;
    let status = loop {
        tokio::select! {
            status = command.wait() => break status?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => command.start_kill()?,
        }
    };
    server.stop().await;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
