//! The way from a message to the console, where it is known where people find that.

use afterrun_core::notice::Note;
use url::Url;

/// The same things, each with the page that tells most of it. What has a page elsewhere keeps that.
pub(super) fn with_links(notes: &[Note], console: Option<&Url>) -> Vec<Note> {
    let mut notes = notes.to_vec();
    let Some(console) = console else { return notes };
    for note in notes.iter_mut().filter(|note| note.url.is_none()) {
        note.url = page(console, note);
    }
    notes
}

/// Of a target there is a page with its past; of all else, that of the notice leads on.
fn page(console: &Url, note: &Note) -> Option<String> {
    let mut url = console.clone();
    let id = note.id.to_string();
    let path = match note.kind.as_str() {
        // Browsers take these names as steps in the path.
        "refresh_failed" | "stale" if !matches!(note.subject.as_str(), "." | "..") => {
            ["targets", note.subject.as_str()]
        }
        _ => ["notices", id.as_str()],
    };
    // It is the address of a server, so it has a path; `console` may end in one slash.
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use afterrun_core::notice::Saying;
    use chrono::DateTime;

    use super::*;

    fn note(kind: &str, subject: &str, url: Option<&str>) -> Note {
        let at = DateTime::UNIX_EPOCH;
        Note {
            id: 42,
            kind: kind.into(),
            subject: subject.into(),
            key: "key".into(),
            saying: Saying::Open,
            telling: 0,
            title: "title".into(),
            detail: String::new(),
            url: url.map(str::to_owned),
            opened_at: at,
            last_at: at,
            resolved_at: None,
            unwatched: false,
            occurrences: 1,
        }
    }

    #[test]
    fn each_thing_leads_to_the_page_that_tells_most_of_it() {
        let console = Url::parse("https://afterrun.example.com").unwrap();
        for (kind, subject, url, wanted) in [
            ("stale", "sales-report", None, "https://afterrun.example.com/targets/sales-report"),
            ("stale", "a/b ?#", None, "https://afterrun.example.com/targets/a%2Fb%20%3F%23"),
            ("refresh_failed", "..", None, "https://afterrun.example.com/notices/42"),
            ("run", "prod/7", None, "https://afterrun.example.com/notices/42"),
            ("run", "prod/7", Some("https://dbt.example/1"), "https://dbt.example/1"),
        ] {
            let linked = with_links(&[note(kind, subject, url)], Some(&console));
            assert_eq!(linked[0].url.as_deref(), Some(wanted), "{kind} {subject}");
        }
    }

    #[test]
    fn where_nobody_said_where_the_console_is_nothing_leads_there() {
        assert_eq!(with_links(&[note("stale", "sales-report", None)], None)[0].url, None);
    }
}
