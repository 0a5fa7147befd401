//! Values and errors that a form shows again after it was rejected.

use crate::web::session::{Notice, PROBLEM_IN};

/// Returns the value that was typed into `field` of the rejected form, or `default`.
pub fn typed(notice: Option<&Notice>, field: &str, default: &str) -> String {
    let typed = notice.and_then(|notice| notice.typed(field));
    typed.unwrap_or(default).to_owned()
}

/// Returns the error text of `field`, if there is one.
pub fn error(notice: Option<&Notice>, field: &str) -> Option<String> {
    let notice = notice?;
    if notice.typed(PROBLEM_IN) == Some(field) {
        return Some(notice.error.on_page());
    }
    let error = notice.error.field_message(field);
    error.map(ToOwned::to_owned)
}

/// Returns the first of `fields` that has an error. The page opens with the focus there.
pub fn first_error(notice: Option<&Notice>, fields: &[&'static str]) -> Option<&'static str> {
    let mut fields = fields.iter().copied();
    fields.find(|field| error(notice, field).is_some())
}
