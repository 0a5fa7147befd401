//! Values and errors that a form shows again after it was rejected.

use crate::web::session::Notice;

/// Returns the value that was typed into `field` of the rejected form, or `default`.
pub fn typed(notice: Option<&Notice>, field: &str, default: &str) -> String {
    let typed = notice.and_then(|notice| notice.typed(field));
    typed.unwrap_or(default).to_owned()
}

/// Returns the error text of `field`, if there is one.
pub fn error(notice: Option<&Notice>, field: &str) -> Option<String> {
    let error = notice?.error.field_message(field);
    error.map(ToOwned::to_owned)
}
