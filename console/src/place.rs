//! A place in the list of events, as text in an address.

use afterrun_core::history::EventCursor;
use chrono::DateTime;

/// The end of the year 9999: the database knows other years than we do.
const LAST: i64 = 253_402_300_799_999_999;

pub(crate) fn written(cursor: EventCursor) -> String {
    format!("{}.{}", cursor.received_at.timestamp_micros(), cursor.id)
}

/// None for what was never written so.
pub(crate) fn read(text: &str) -> Option<EventCursor> {
    let (at, id) = text.split_once('.')?;
    let at: i64 = at.parse().ok().filter(|at| (0..=LAST).contains(at))?;
    Some(EventCursor { received_at: DateTime::from_timestamp_micros(at)?, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_written_is_no_place() {
        for text in
            ["", "1", "1.2.3", "a.b", "-1.1", "999999999999999999999.1", "253402300800000000.1"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        let at = "2026-11-20T06:00:00.123456Z".parse().unwrap();
        let cursor = EventCursor { received_at: at, id: 7 };
        assert_eq!(read(&written(cursor)), Some(cursor));
    }
}
