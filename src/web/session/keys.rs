//! The idempotency keys of a visit: who sent a key decides under which name its response is stored.

use uuid::Uuid;

use super::Visit;
use crate::{
    model::ShopError,
    shop::{
        administrator::Administrator,
        idempotency::{self, Claim, Key},
    },
    web::form_keys,
};

impl Visit {
    /// Builds the claim for an act of the administrator, `operation` with `parts`. Without a key, a
    /// repeated request is executed again.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`].
    pub fn claim_of_administrator(
        &self,
        _: &Administrator,
        form_key: &str,
        operation: &str,
        parts: &[&str],
    ) -> Result<Option<Claim>, ShopError> {
        let Some(sent) = self.sent_key(form_key) else {
            return Ok(None);
        };
        let key = Key::of_administrator(sent)?;
        Ok(Some(Claim::new(key, operation, parts)))
    }

    /// Builds the claim for `operation` on the shopper's cart, with `parts`. Without a key, a
    /// repeated request is executed again.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`].
    pub fn claim_of_cart(
        &self,
        cart_id: Uuid,
        form_key: &str,
        operation: &str,
        parts: &[&str],
    ) -> Result<Option<Claim>, ShopError> {
        let Some(sent) = self.sent_key(form_key) else {
            return Ok(None);
        };
        let key = Key::of_cart(cart_id, sent)?;
        Ok(Some(Claim::new(key, operation, parts)))
    }

    /// The same for an operation that creates the cart if the shopper has none. A key that the shop
    /// issued finds the cart that the same form has created before; any other key finds only what
    /// the shopper's own cart has stored.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`].
    pub fn claim_of_new_cart(
        &self,
        cart_id: Uuid,
        form_key: &str,
        operation: &str,
        parts: &[&str],
    ) -> Result<Option<Claim>, ShopError> {
        match self.sent_key(form_key) {
            Some(sent) if form_keys::is_issued(&self.state.payment_secret, sent) => {
                let key = key_of_button(sent, operation)?;
                Ok(Some(Claim::new(key, operation, parts)))
            }
            _ => self.claim_of_cart(cart_id, form_key, operation, parts),
        }
    }

    /// Returns true if the shop issued the form's key, and `operation` has been carried out: its
    /// page came from the browser's cache. False if that cannot be read.
    pub async fn was_carried_out(&self, form_key: &str, operation: &str) -> bool {
        let secret = &self.state.payment_secret;
        let issued = self
            .sent_key(form_key)
            .filter(|sent| form_keys::is_issued(secret, sent))
            .and_then(|sent| key_of_button(sent, operation).ok());
        match issued {
            Some(key) => idempotency::is_used(self.shop().db(), &key)
                .await
                .unwrap_or(false),
            None => false,
        }
    }

    /// Returns the key for an order of the shopper's cart, which must have one.
    ///
    /// # Errors
    /// [`ShopError::IdempotencyKeyInvalid`].
    pub fn order_key(&self, cart_id: Uuid, form_key: &str) -> Result<Key, ShopError> {
        Key::of_cart(cart_id, self.sent_key(form_key).unwrap_or_default())
    }

    /// Returns the form's key, or else the header's, if the client sent one.
    fn sent_key<'a>(&'a self, form_key: &'a str) -> Option<&'a str> {
        match (form_key, self.key.as_deref()) {
            ("", header_key) => header_key.filter(|key| !key.is_empty()),
            (form_key, _) => Some(form_key),
        }
    }
}

/// Returns the key of one button of a form: two buttons of one form are two requests.
fn key_of_button(issued: &str, operation: &str) -> Result<Key, ShopError> {
    Key::of_form(&format!("{issued}:{}", operation.replace(' ', "-")))
}
