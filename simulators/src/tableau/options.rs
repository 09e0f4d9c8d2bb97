//! How a played Tableau is set up.

use std::time::Duration;

use super::state::{Language, Shapes};
use crate::clock::SimClock;
use crate::pace::Pace;

/// How to start a played Tableau.
#[derive(Debug, Clone)]
pub struct TableauOptions {
    /// 0 takes a free one.
    pub port: u16,
    /// The site's name in addresses; empty for the default site.
    pub site: String,
    pub token_name: String,
    pub token_secret: String,
    /// A connected app that may sign in for this user.
    pub client_id: String,
    pub secret_id: String,
    pub secret_value: String,
    pub username: String,
    /// The newest version of the API that the server knows, such as `3.27`.
    pub rest_api_version: String,
    pub clock: SimClock,
    pub pace: Pace,
    pub session_lasts: Duration,
    /// The status that answers "refresh": the sources do not agree on one.
    pub refresh_status: u16,
    pub shapes: Shapes,
    pub language: Language,
    /// Errors come as XML, even to those who asked for JSON.
    pub always_xml_errors: bool,
    /// Signing in is answered by a 301 to the same path under this base.
    pub redirect_signin_to: Option<String>,
}

impl Default for TableauOptions {
    fn default() -> Self {
        Self {
            port: 0,
            site: "acme".to_owned(),
            token_name: "afterrun".to_owned(),
            token_secret: "tableau-secret".to_owned(),
            client_id: "5a3c1f6e-2b7d-4c1a-9f0e-6d1b2c3d4e5f".to_owned(),
            secret_id: "9d8e7f6a-5b4c-4d3e-8f2a-1b0c9d8e7f6a".to_owned(),
            secret_value: "tableau-app-secret".to_owned(),
            username: "afterrun@acme.example".to_owned(),
            rest_api_version: "3.27".to_owned(),
            clock: SimClock::real(),
            pace: Pace::default(),
            session_lasts: Duration::from_secs(120 * 60),
            refresh_status: 202,
            shapes: Shapes::default(),
            language: Language::default(),
            always_xml_errors: false,
            redirect_signin_to: None,
        }
    }
}
