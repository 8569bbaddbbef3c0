//! The word filter on recorded cases, beside a slow and obvious model of itself, and what holds for
//! every text. Nothing here needs a process.

mod cases;
mod cost;
mod field;
mod model;
mod properties;
