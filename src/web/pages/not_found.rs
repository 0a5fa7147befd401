//! The page for unknown paths.

use leptos::prelude::*;

use super::frame::{Page, framed};
use crate::model::ShopError;

/// The page for unknown paths.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    framed(|_| async { Err::<Page, _>(ShopError::UnknownPage) })
}
