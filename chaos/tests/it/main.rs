//! The judge is judged: a sound history is clean, and one that is wrong in one way is found out.

mod asked;
mod rows;
mod sound;
mod subtle;
mod wrong;
