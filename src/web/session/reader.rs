//! Reading the figures of *Health* while the database is unavailable.

use serde_json::Value;
use tower_sessions::{SessionStore, session::Id};

use super::{ADMIN_KEY, Visit, administrator_with};
use crate::{
    model::ShopError,
    web::{AppState, health::readers::ReadsOn},
};

impl Visit {
    /// Checks that the visitor may read the figures: the administrator, or a request with the mark
    /// [`ReadsOn`].
    ///
    /// # Errors
    /// [`ShopError::NotSignedIn`].
    pub async fn require_reader(&self) -> Result<(), ShopError> {
        match self.reads_on {
            Some(ReadsOn) => Ok(()),
            None => self.require_admin().await.map(drop),
        }
    }
}

/// Verifies a session again, outside of a request. Returns whether it is one of the administrator.
///
/// # Errors
/// [`ShopError::Unavailable`] if the session or the password cannot be read.
pub async fn is_administrator(state: &AppState, session: Id) -> Result<bool, ShopError> {
    let unavailable = |_| ShopError::Unavailable { retry_after_s: 2 };
    let record = state.sessions.load(&session).await.map_err(unavailable)?;
    let record = record.as_ref();
    let credential = record.and_then(|record| record.data.get(ADMIN_KEY));
    let credential = credential.and_then(Value::as_str);
    let administrator = administrator_with(credential, &state.shop).await?;
    Ok(administrator.is_some())
}
