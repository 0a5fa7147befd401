//! What a form shows again after it was refused: what was typed, and what is wrong with it.

use crate::web::session::Notice;

/// What was typed into `field` when the form was refused, or `otherwise`.
pub fn typed(notice: Option<&Notice>, field: &str, otherwise: &str) -> String {
    let typed = notice.and_then(|notice| notice.typed(field));
    typed.unwrap_or(otherwise).to_owned()
}

/// What is wrong with `field`, if that was said.
pub fn error(notice: Option<&Notice>, field: &str) -> Option<String> {
    let error = notice?.error.about_field(field);
    error.map(ToOwned::to_owned)
}
