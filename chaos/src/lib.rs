//! What a fault run is judged by: the history that the senders, the tools and the database tell of
//! it, and the invariants that must hold in every such history.
//!
//! Invariant: nothing in here knows how the program works inside; it judges what anybody could see.

pub mod check;
pub mod history;
pub mod rows;

pub use check::{Report, judge};
pub use history::History;
