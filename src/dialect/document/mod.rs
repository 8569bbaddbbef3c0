//! JSON documents as bytes: what every dialect needs to read one, to find the texts in it, and to
//! write one back of which every other byte stays.
//!
//! Owns: members with their raw values, string literals, texts and where they stand, writing.
//! Leaves alone: which members there are and what they mean (each dialect's folder).
//!
//! Order, downward: `values`, `texts`, `writer`, `json`, `scan`, `literal`, `readable`.

pub(crate) mod json;
pub(crate) mod literal;
pub(crate) mod readable;
mod scan;
pub(crate) mod texts;
pub(crate) mod values;
pub(crate) mod writer;
