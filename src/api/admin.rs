//! Signing in and out.

use leptos::prelude::*;

use crate::model::ShopError;

/// Signs the administrator in, and leads to the admin page.
///
/// # Errors
/// [`ShopError::WrongPassword`], [`ShopError::TooManyRequests`].
#[server(prefix = "/api/form", endpoint = "admin/login")]
pub async fn login(#[server(default)] password: String) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = visit.sign_in(&password).await;
    visit.answer(done.map(|()| "/admin".to_owned()), &[]).await
}

/// Signs the administrator out, and leads to the shop.
///
/// # Errors
/// [`ShopError::NotSignedIn`].
#[server(prefix = "/api/form", endpoint = "admin/logout")]
pub async fn logout() -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let done = visit.sign_out().await;
    visit.answer(done.map(|()| "/".to_owned()), &[]).await
}
