//! dbt's artifacts through the public functions, made by hand and by dbt itself; no database.

mod exposure;
mod failure;
mod graph;
mod manifest;
mod memory;
mod properties;
mod real;
mod results;
mod scene;
mod select;
