//! A tool that says back what it was sent: no credential stays in what is told, logged or stored.

use afterrun_simulators::Fault;

use super::{REFRESH, contracts, http, start, target, texts};
use crate::connector::Polled;

#[tokio::test]
async fn no_secret_of_the_settings_stands_in_any_error() {
    for contract in contracts().await {
        let echo = contract.secrets().join(" ");
        let mut errors = Vec::new();
        for fault in [
            Fault::status(401),
            Fault::status(403),
            Fault::status(500),
            Fault::status(200).body(format!("{{\"unexpected\":\"{echo}\"}}")),
            Fault::status(200).body(echo.clone()),
            Fault::status(500).body(format!("<html>{echo}</html>")),
            Fault::Echo { status: 401 },
            Fault::Echo { status: 422 },
            Fault::status(401).body(contract.refusal(&echo)),
            Fault::status(422).body(contract.refusal(&echo)),
            Fault::status(500).body(contract.refusal(&format!("{}{echo}", "x".repeat(8180)))),
            Fault::status(302).header("location", &format!("http://evil.example/?{echo}")),
            Fault::LoseAnswer,
            Fault::GarbageBody,
        ] {
            for path in [contract.paths()[0], ""] {
                contract.faults().clear();
                contract.faults().always("", path, fault.clone());
                errors.push(target(&*contract).trigger(REFRESH).await.answer.unwrap_err());
            }
        }
        let closed = contract.target_at(&http(), "http://127.0.0.1:1").trigger(REFRESH).await;
        errors.push(closed.answer.unwrap_err());
        contract.faults().clear();
        // A start whose answer was lost is under way still.
        contract.end(None);
        let target = target(&*contract);
        let id = start(&target).await;
        contract.end(Some(&format!("failed for {echo}")));
        let Ok(Polled::Failed { why, .. }) = target.poll(&id).await.answer else {
            panic!("{}", contract.kind());
        };
        assert_eq!(why.matches("[secret]").count(), contract.secrets().len(), "{why}");
        for error in &errors {
            for secret in contract.secrets() {
                assert!(!texts(error).contains(&secret), "{}: {error:?}", contract.kind());
            }
        }
    }
}

#[tokio::test]
async fn a_tool_that_repeats_what_it_was_sent_is_quoted_without_it() {
    for contract in contracts().await {
        for path in [contract.paths()[0], ""] {
            for status in [401, 422, 500] {
                contract.faults().clear();
                contract.faults().always("", path, Fault::Echo { status });
                let error = target(&*contract).trigger(REFRESH).await.answer.unwrap_err();
                let text = texts(&error);
                // A look at the version that fails has no words worth keeping.
                assert!(text.contains("echo") || path.is_empty(), "{text}");
                let telling = ["Basic ", "eyJ", "TokenSecret\":\"C"];
                let leak = telling.iter().find(|telling| text.contains(*telling));
                assert_eq!(leak, None, "{}: {text}", contract.kind());
                for secret in contract.secrets() {
                    assert!(!text.contains(&secret), "{}: {text}", contract.kind());
                }
            }
        }
    }
}
