//! Rules that the sources keep, where neither the compiler nor a lint of it sees to them.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// What is delivered; the rest of the workspace plays its surroundings.
const PRODUCT: [&str; 6] = ["core", "ingest", "worker", "console", "cli", "postgres"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every file below, with its path.
fn rust_files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn product() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in PRODUCT {
        rust_files(&root().join(part).join("src"), &mut found);
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace_and_so_holds_no_unsafe_code() {
    let workspace = read("Cargo.toml");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(PRODUCT.iter().all(|part| members.contains(part)), "{members:?}");
    for member in members {
        let manifest = read(format!("{member}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}/Cargo.toml");
    }
}

/// The driver takes a statement that is not written out in the source only inside `AssertSqlSafe`.
#[test]
fn no_statement_is_put_together_at_run_time() {
    for (name, text) in product() {
        assert!(!text.contains("AssertSqlSafe"), "{name}");
    }
}

/// Comparing MACs or tokens by `==` would tell by its time how much of a guess is right.
#[test]
fn what_proves_who_sends_is_compared_in_constant_time() {
    let using: Vec<_> = product().into_iter().filter(|(_, text)| text.contains("hmac::")).collect();
    let names: Vec<_> = using.iter().map(|(name, _)| name.as_str()).collect();
    // Two that verify, and two that only sign: a sign-in at Tableau, and what channels are told.
    let known = [
        "console/src/access/keys.rs",
        "ingest/src/sources.rs",
        "worker/src/connectors/tableau/jwt.rs",
        "worker/src/notify/standard.rs",
    ];
    // The command that plays dbt signs too, by way of the simulators.
    let unknown: Vec<_> = names.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty() && names.len() == known.len(), "{names:?}");
    for name in ["ingest/src/sources.rs", "ingest/src/signature.rs", "ingest/src/nudge.rs"] {
        let text = read(name);
        for line in text.lines().filter(|line| line.contains("==") || line.contains("!=")) {
            let about = ["mac", "claimed", "secret", "token", "credential"];
            let compared = about.iter().find(|word| line.to_lowercase().contains(*word));
            assert_eq!(compared, None, "{name}: {line}");
        }
    }
    assert!(read("ingest/src/sources.rs").matches("verify_slice").count() >= 2);
}

/// The versions in which what is known to be wrong was mended. `cargo deny check advisories` says
/// more, and needs the database of advisories; this needs the lock file alone.
#[test]
fn no_version_is_locked_of_which_a_fault_is_known() {
    let lock = read("Cargo.lock");
    let locked: Vec<(&str, Vec<u64>)> = lock
        .split("[[package]]")
        .filter_map(|package| {
            let value = |key: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(key))?;
                Some(line.trim_matches('"'))
            };
            let numbers = value("version = ")?.split(['.', '-', '+']);
            Some((value("name = ")?, numbers.filter_map(|number| number.parse().ok()).collect()))
        })
        .collect();
    assert!(locked.len() > 200, "{}", locked.len());
    for (name, line, least) in [
        ("actix-http", &[][..], &[3, 12, 1][..]), // smuggling; not in the database of advisories
        ("sqlx", &[], &[0, 8, 1]),                // RUSTSEC-2024-0363
        ("tracing-subscriber", &[], &[0, 3, 20]), // RUSTSEC-2025-0055
        ("h2", &[], &[0, 4, 16]),                 // RUSTSEC-2026-0258
        ("rustls-webpki", &[], &[0, 103, 13]),    // RUSTSEC-2026-0049, -0098, -0099, -0104
        ("time", &[], &[0, 3, 47]),               // RUSTSEC-2026-0009
        ("bytes", &[], &[1, 11, 1]),              // RUSTSEC-2026-0007
        ("rand", &[0, 8], &[0, 8, 6]),            // RUSTSEC-2026-0097, in each line of versions
        ("rand", &[0, 9], &[0, 9, 3]),
        ("rand", &[0, 10], &[0, 10, 1]),
        ("quinn-proto", &[], &[0, 11, 15]), // RUSTSEC-2026-0185, -0037
        ("tokio-postgres", &[], &[0, 7, 18]), // RUSTSEC-2026-0178
        ("ring", &[], &[0, 17, 12]),        // RUSTSEC-2025-0009
    ] {
        for (_, version) in
            locked.iter().filter(|(found, version)| *found == name && version.starts_with(line))
        {
            assert!(version.as_slice() >= least, "{name} {version:?} is older than {least:?}");
        }
    }
    let avoided = [
        "rsa", // RUSTSEC-2023-0071
        "openssl",
        "native-tls",
        "rustls-pemfile",   // RUSTSEC-2025-0134
        "serde_yml",        // RUSTSEC-2025-0068
        "yaml-rust",        // RUSTSEC-2024-0320
        "dotenv",           // RUSTSEC-2021-0141
        "paste",            // RUSTSEC-2024-0436
        "proc-macro-error", // RUSTSEC-2024-0370
        "atty",             // RUSTSEC-2024-0375
    ];
    let found = avoided.iter().find(|name| locked.iter().any(|(locked, _)| locked == *name));
    assert_eq!(found, None);
}
