//! The notice about a rejected form.

use leptos::prelude::*;

use crate::{ui::notice::ErrorNotice, web::session::Notice};

/// Shows why the form was rejected; shows nothing if no form was.
#[component]
pub fn FormError(
    notice: Option<Notice>,
    /// What the error means for the visitor, for example that nothing was changed.
    consequence: &'static str,
) -> impl IntoView {
    notice.map(|notice| {
        view! { <ErrorNotice title=notice.error.on_page()><p>{consequence}</p></ErrorNotice> }
    })
}
