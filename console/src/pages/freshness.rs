//! The first page: how fresh every target is.

use actix_web::HttpResponse;
use actix_web::web::Data;
use afterrun_core::history::Freshness;
use maud::{Markup, html};

use super::layout;
use crate::Console;
use crate::access::Who;

pub(crate) async fn show(console: Data<Console>, who: Who) -> HttpResponse {
    match console.ask(async |store| store.freshness().await).await {
        Ok(freshness) => layout::page(&who, "Freshness", &table(&freshness)),
        Err(error) => layout::unavailable(&error),
    }
}

fn table(freshness: &Freshness) -> Markup {
    html! {
        table {
            thead {
                tr { th { "Target" } th { "State" } th { "Fresh as of" } th { "Last error" } }
            }
            tbody {
                @for row in &freshness.targets {
                    tr {
                        th scope="row" { (row.target) }
                        td { (row.state.as_str()) }
                        td { @if let Some(at) = row.fresh_as_of { time datetime=(at.to_rfc3339()) { (at) } } }
                        td { (row.last_error.as_deref().unwrap_or_default()) }
                    }
                }
            }
        }
    }
}
