//! Tableau's errors: a code that programs read, and texts in the language of the server.

use serde_json::{Value, json};

use super::state::Language;

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A body or query that does not hold what the call needs.
    BadRequest,
    /// A filter that is no list of `field:operator:value`.
    BadFilter,
    BadPageNumber,
    BadPageSize,
    /// No session token at all.
    NoCredentials,
    /// The personal access token or the connected app is not let in.
    SignInRefused,
    /// The session has ended: too old, or ended by another sign-in.
    SessionEnded,
    /// The session was opened by a connected app whose token did not name what this call needs. No
    /// source tells the code; this is the one that looks like an ended session.
    OutOfScope,
    /// A session of another site.
    OtherSite,
    NoSuchWorkbook,
    NoSuchDatasource,
    NoSuchFlow,
    NoSuchTask,
    NoSuchJob,
    /// An address that the server does not know.
    NoSuchResource,
    /// A version of the API that the server does not know, or that is too old for the call.
    NoSuchVersion,
    WrongMethod,
    /// An answer was asked for in a format that is neither XML nor JSON.
    NotAcceptable,
    /// The workbook has no extracts of its own.
    NothingToRefresh,
    /// A refresh of this item is queued or running.
    AlreadyQueued,
    RateLimited,
}

impl Refusal {
    /// Six digits, of which the first three are the HTTP status.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "400000",
            Self::BadFilter => "400005",
            Self::BadPageNumber => "400006",
            Self::BadPageSize => "400007",
            Self::NoCredentials => "401000",
            Self::SignInRefused => "401001",
            Self::SessionEnded | Self::OutOfScope => "401002",
            Self::OtherSite => "403004",
            Self::NoSuchWorkbook => "404006",
            Self::NoSuchDatasource => "404004",
            Self::NoSuchFlow => "404032",
            Self::NoSuchTask => "404033",
            Self::NoSuchJob => "404031",
            Self::NoSuchResource => "404003",
            Self::NoSuchVersion => "404001",
            Self::WrongMethod => "405000",
            Self::NotAcceptable => "406000",
            Self::NothingToRefresh => "409090",
            Self::AlreadyQueued => "409093",
            Self::RateLimited => "429000",
        }
    }

    pub(super) fn status(self) -> u16 {
        // Each code is six digits long.
        self.code()[..3].parse().unwrap_or(500)
    }

    /// Summary and detail.
    fn texts(self, language: Language) -> (&'static str, &'static str) {
        let [english, german] = match self {
            Self::BadRequest | Self::BadFilter | Self::BadPageNumber | Self::BadPageSize => [
                ("Bad Request", "Payload or query is either malformed or incomplete."),
                ("Ungültige Anforderung", "Die Anforderung ist fehlerhaft oder unvollständig."),
            ],
            Self::NoCredentials => [
                ("Unauthorized Access", "No authentication credentials were provided."),
                ("Nicht autorisierter Zugriff", "Es wurden keine Anmeldedaten angegeben."),
            ],
            Self::SignInRefused => [
                ("Signin Error", "Error signing in to Tableau Server"),
                ("Anmeldefehler", "Fehler beim Anmelden bei Tableau Server"),
            ],
            Self::SessionEnded | Self::OutOfScope => [
                ("Unauthorized Access", "Invalid authentication credentials were provided."),
                ("Nicht autorisierter Zugriff", "Es wurden ungültige Anmeldedaten angegeben."),
            ],
            Self::OtherSite => [
                ("Forbidden", "The user does not have permissions to perform this action."),
                ("Verboten", "Der Benutzer hat keine Berechtigung für diese Aktion."),
            ],
            Self::NoSuchWorkbook
            | Self::NoSuchDatasource
            | Self::NoSuchFlow
            | Self::NoSuchTask
            | Self::NoSuchJob
            | Self::NoSuchResource
            | Self::NoSuchVersion => [
                ("Resource Not Found", "The resource could not be found."),
                ("Ressource nicht gefunden", "Die Ressource konnte nicht gefunden werden."),
            ],
            Self::WrongMethod => [
                ("Method Not Allowed", "Request type is not supported by the resource."),
                ("Methode nicht zulässig", "Die Ressource unterstützt diese Anforderung nicht."),
            ],
            Self::NotAcceptable => [
                ("Not Acceptable", "The requested format is not supported."),
                ("Nicht akzeptabel", "Das angeforderte Format wird nicht unterstützt."),
            ],
            Self::NothingToRefresh => [
                ("Resource Conflict", "Extract operation for the workbook is not allowed."),
                ("Ressourcenkonflikt", "Der Extraktvorgang ist für die Arbeitsmappe unzulässig."),
            ],
            Self::AlreadyQueued => [
                ("Resource Conflict", "Job is already queued. Not queuing a duplicate."),
                ("Ressourcenkonflikt", "Der Auftrag ist bereits in der Warteschlange."),
            ],
            Self::RateLimited => [
                ("Too Many Requests", "Too many requests."),
                ("Zu viele Anforderungen", "Zu viele Anforderungen."),
            ],
        };
        match language {
            Language::English => english,
            Language::German => german,
        }
    }

    pub(super) fn body(self, language: Language) -> Value {
        let (summary, detail) = self.texts(language);
        json!({ "error": { "summary": summary, "detail": detail, "code": self.code() } })
    }
}
