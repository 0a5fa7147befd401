//! The form about the gates in Redis.

use leptos::prelude::*;

use crate::model::ShopError;

/// Reconciles the gates with their stock rows.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; [`ShopError::InvalidState`] without Redis.
#[server(prefix = "/api/form", endpoint = "admin/reconcile-gates")]
pub async fn reconcile_gates() -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::reconcile(&visit, &administrator).await;
    visit
        .answer(result.map(|()| "/admin/redis".to_owned()), &[])
        .await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::ShopError,
        shop::{administrator::Administrator, gates::GatesError},
        web::session::Visit,
    };

    pub async fn reconcile(visit: &Visit, administrator: &Administrator) -> Result<(), ShopError> {
        let gates = visit.shop().gate_administration(administrator);
        match gates.reconcile().await {
            Ok(Some(done)) if !done.failed.is_empty() => {
                let failed: Vec<_> = done.failed.iter().map(ToString::to_string).collect();
                Err(ShopError::InvalidState(format!(
                    "Some gates were not reconciled: {}.",
                    failed.join("; ")
                )))
            }
            Ok(_) => Ok(()),
            Err(GatesError::Shop(error)) => Err(error),
            Err(GatesError::NoRedis | GatesError::Redis(_)) => Err(ShopError::InvalidState(
                "Redis does not answer. The shop continues to sell from its stock rows. Try again later."
                    .to_owned(),
            )),
        }
    }
}
