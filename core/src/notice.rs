//! Notices: what people are told of, one row for each thing and channel from its beginning to its end.

mod note;

pub use self::note::{Note, Saying};
