//! What measuring the program and breaking it have in common: the real program as this tree builds
//! it, a sender's bare connection, and what Linux tells of a process.

pub mod answer;
pub mod process;
pub mod program;
