//! Forms to sign in, sign out and run an audit.

use leptos::prelude::*;

use crate::model::ShopError;

/// Signs the administrator in and redirects to the admin page that they asked for.
///
/// # Errors
/// [`ShopError::WrongPassword`], [`ShopError::TooManyRequests`].
#[server(prefix = "/api/form", endpoint = "admin/login")]
pub async fn login(#[server(default)] password: String) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let result = visit.sign_in(&password).await;
    visit
        .answer(result.map(|()| visit.page_after_sign_in()), &[])
        .await
}

/// Signs the administrator out and redirects to the shop.
///
/// # Errors
/// [`ShopError::NotSignedIn`].
#[server(prefix = "/api/form", endpoint = "admin/logout")]
pub async fn logout() -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    visit.require_admin().await?;
    let result = visit.sign_out().await;
    visit.answer(result.map(|()| "/".to_owned()), &[]).await
}

/// Runs both audits and redirects to their results.
///
/// # Errors
/// [`ShopError::NotSignedIn`].
#[server(prefix = "/api/form", endpoint = "admin/audit")]
pub async fn run_audit() -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = visit.run_audits(&administrator).await;
    visit
        .answer(result.map(|()| "/admin".to_owned()), &[])
        .await
}
