//! Any address that is none of ours.

use leptos::prelude::*;

use super::frame::{Page, framed};
use crate::model::ShopError;

/// Any address that is none of ours.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    framed(|_| async { Err::<Page, _>(ShopError::UnknownPage) })
}
