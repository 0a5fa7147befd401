//! Signing in and out, and asking for an audit.

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

/// Runs the audit, and leads to its result.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; what a database failure means.
#[server(prefix = "/api/form", endpoint = "admin/audit")]
pub async fn run_audit() -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let done = crate::shop::audit::run_and_keep(visit.shop().db()).await;
    let done = done.map(|_| "/admin".to_owned()).map_err(ShopError::from);
    visit.answer(done, &[]).await
}
