//! A run to take away: its points and figures as tables, all of it as JSON, and a document that replays it.

mod csv;
mod html;
mod json;
mod table;

pub use csv::{figures, samples};
pub use html::replay;
pub use json::{FORMAT, VERSION, json};
pub use table::fields;
