//! What Tableau says when it refuses: JSON, XML whatever was asked for, or a proxy's page.
//!
//! The words come in the server's language, so only the code decides.

use serde_json::Value;

use super::wire::plain;
use crate::connector::ConnectorError;
use crate::http::Reply;

/// The cause, with Tableau's code and words.
pub(super) fn of(reply: &Reply) -> ConnectorError {
    let (code, words) = error_in(&reply.body);
    reply.refusal(code, &words)
}

/// The text of the first element of that name, in an answer that is XML.
pub(super) fn xml_text(body: &[u8], element: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let document = parsed(&text)?;
    let found = document.descendants().find(|node| node.tag_name().name() == element)?;
    text_of(found)
}

fn error_in(body: &[u8]) -> (Option<String>, String) {
    if let Ok(body) = serde_json::from_slice::<Value>(body) {
        let text = |key: &str| body.get("error").and_then(|error| plain(error.get(key)?));
        return (text("code"), words(text("summary"), text("detail")));
    }
    let body = String::from_utf8_lossy(body);
    let Some(document) = parsed(&body) else { return (None, String::new()) };
    let error = document
        .descendants()
        .find(|node| node.tag_name().name() == "error" && node.has_attribute("code"));
    // A proxy's page says nothing that its status does not.
    let Some(error) = error else { return (None, String::new()) };
    let text = |name: &str| {
        error.children().find(|child| child.tag_name().name() == name).and_then(text_of)
    };
    let code = error.attribute("code").map(str::to_owned);
    (code, words(text("summary"), text("detail")))
}

/// Reads no DTD: no entity is expanded, and a page in HTML is none of ours.
fn parsed(text: &str) -> Option<roxmltree::Document<'_>> {
    roxmltree::Document::parse(text.trim_start_matches('\u{feff}').trim()).ok()
}

fn text_of(node: roxmltree::Node<'_, '_>) -> Option<String> {
    let texts = node.descendants().filter(|node| node.is_text());
    let text: String = texts.filter_map(|node| node.text()).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn words(summary: Option<String>, detail: Option<String>) -> String {
    [summary, detail].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn an_error_in_xml_is_read_however_it_is_written() {
        let expected = (Some("409093".to_owned()), "A & B <x>: Läuft".to_owned());
        for body in [
            "<tsResponse xmlns=\"http://tableau.com/api\"><error code=\"409093\"><summary>A &amp; \
             B &lt;x&gt;</summary><detail>L&#228;uft</detail></error></tsResponse>",
            "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<t:tsResponse \
             xmlns:t='http://tableau.com/api'><t:error id='7' code='409093' >\n\
             <t:detail><![CDATA[Läuft]]></t:detail><t:summary>A &amp; <![CDATA[B <x>]]>\
             </t:summary></t:error></t:tsResponse>",
            "<tsResponse><!-- <error code=\"1\"> --><error lang=\"de\" code=\"409093\"><summary>\n\
             A &#x26; B &lt;x></summary><detail>Läuft\n</detail></error></tsResponse>",
        ] {
            assert_eq!(error_in(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_error_of_tableaus_has_neither_code_nor_words() {
        let nested = "<a>".repeat(100_000);
        let bomb = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>\
                    <x><error code=\"1\"><summary>&b;</summary></error></x>";
        for body in [
            "",
            "<!DOCTYPE html><html><body>503<br></body></html>",
            "<html><body><p class=\"error\">code=\"409093\"</p></body></html>",
            "<tsResponse><error code=\"409093\">",
            "[1, null]",
            nested.as_str(),
            bomb,
        ] {
            assert_eq!(error_in(body.as_bytes()), (None, String::new()));
        }
    }
}
