//! The settings of a dbt account and of its jobs.

use super::{mistakes, open, whole};

const DBT: &str = "  m:\n    kind: dbt\n    host: ab123.us1.dbt.com\n    account_id: 4711\n    \
                   token: ${T}\n";

#[test]
fn a_job_is_taken_with_or_without_what_it_is_run_with() {
    for target in [
        "job: 282191",
        "job: '282191', cause: Nightly, git_branch: main, schema_override: s, \
         steps_override: [dbt build], threads_override: 8, target_name_override: prod, \
         generate_docs_override: false, timeout_seconds_override: 600",
    ] {
        if let Err(error) = open(&whole(DBT, &format!("  t: {{ connection: m, {target} }}\n"))) {
            panic!("{target}: {error}");
        }
    }
}

#[test]
fn a_mistake_in_a_dbt_connection_is_named() {
    let target = "  t: { connection: m, job: 282191 }\n";
    for (connection, line, words) in [
        (DBT.replace("ab123.us1.dbt.com", "https://ab123.us1.dbt.com"), 6, "a bare host name"),
        (DBT.replace("ab123.us1.dbt.com", "ab123.us1.dbt.com/deploy"), 6, "a bare host name"),
        (DBT.replace("ab123.us1.dbt.com", "169.254.169.254"), 6, "metadata"),
        (DBT.replace("    host: ab123.us1.dbt.com\n", ""), 4, "connections.m.host: is missing"),
        (DBT.replace("4711", "act_4711"), 7, "an id, which is a number"),
        (DBT.replace("4711", "-4711"), 7, "an id, which is a number"),
        (DBT.replace("${T}", "\" \""), 8, "token"),
        (DBT.replace("    token: ${T}\n", ""), 4, "connections.m.token: is missing"),
        (format!("{DBT}    base_url: https://x.dbt.com\n"), 9, "base_url"),
    ] {
        let text = mistakes(&connection, target);
        assert!(text.contains(&format!("afterrun.yml:{line}:")), "{connection}\n{text}");
        assert!(text.contains(words), "{connection}\n{text}");
    }
}

#[test]
fn a_mistake_in_a_dbt_target_is_named() {
    for (keys, words) in [
        ("cause: x", "targets.t.job: is missing"),
        ("job: nightly", "an id, which is a number"),
        ("job: 7, cause: \" \"", "`cause` must not be empty"),
        ("job: 7, cause: \"a\\nb\"", "`cause` must not be empty or hold control"),
        ("job: 7, git_branch: ''", "`git_branch` must not be empty"),
        ("job: 7, steps_override: []", "at least one command"),
        ("job: 7, steps_override: [dbt build, '']", "`steps_override` must not be empty"),
        ("job: 7, steps_override: dbt build", "targets.t.steps_override"),
        ("job: 7, threads_override: 0", "at least 1"),
        ("job: 7, threads_override: -1", "targets.t.threads_override"),
        ("job: 7, generate_docs_override: 7", "targets.t.generate_docs_override"),
        ("job: 7, git_sha: abc", "git_sha"),
    ] {
        let text = mistakes(DBT, &format!("  t: {{ connection: m, {keys} }}\n"));
        assert!(text.contains(words) && text.contains("targets.t"), "{keys}\n{text}");
    }
    let long = format!("  t: {{ connection: m, job: 7, cause: {} }}\n", "c".repeat(91));
    assert!(mistakes(DBT, &long).contains("longer than 90"), "{long}");
}
