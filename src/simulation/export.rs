//! Exports of a run: its samples and figures as CSV, the whole run as JSON, and an HTML document
//! that replays it.

mod csv;
mod html;
mod json;
mod points;
mod table;

pub use csv::{figures, samples};
pub use html::replay;
pub use json::{FORMAT, VERSION, json};
pub use table::fields;
