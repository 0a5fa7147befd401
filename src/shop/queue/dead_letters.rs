//! What an administrator does with a dead letter: puts it back, or rejects its order.

use crate::{
    model::ShopError,
    redis::Unavailable,
    shop::{
        Shop,
        inventory::{
            order_queue::{DeadLetter, OrderQueue},
            queue_outcome,
        },
    },
};

/// Decides about dead letters; see [`Shop::queue_administration`].
#[derive(Clone, Copy, Debug)]
pub struct QueueAdministration<'a> {
    pub(in crate::shop) shop: &'a Shop,
}

impl QueueAdministration<'_> {
    /// Puts a dead letter back at the end of the queue: what kept it from being written may be
    /// over.
    ///
    /// # Errors
    /// [`ShopError::InvalidState`] if it is gone, or contains no order, or Redis does not answer.
    pub async fn put_back(self, id: &str) -> Result<(), ShopError> {
        let (queue, letter) = self.read(id).await?;
        let order = letter.order.ok_or_else(|| {
            ShopError::InvalidState(
                "This entry contains no order. It can only be removed.".to_owned(),
            )
        })?;
        match queue.revive(id, &order).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(gone()),
            Err(error) => Err(redis_unavailable(&error)),
        }
    }

    /// Rejects the order of a dead letter, unless it is decided, and removes the letter.
    ///
    /// # Errors
    /// [`ShopError::InvalidState`] if it is gone, or Redis does not answer;
    /// [`ShopError::Unavailable`] if the database is.
    pub async fn reject(self, id: &str) -> Result<(), ShopError> {
        let (queue, letter) = self.read(id).await?;
        if let Some(order) = &letter.order {
            queue_outcome::reject(self.shop, order).await?;
        }
        match queue.discard(id, letter.order.as_ref()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(gone()),
            Err(error) => Err(redis_unavailable(&error)),
        }
    }

    async fn read(self, id: &str) -> Result<(OrderQueue, DeadLetter), ShopError> {
        // Another text than an entry's id is none that Redis can look up.
        let is_id = id.split_once('-').is_some_and(|(time, number)| {
            time.parse::<u64>().is_ok() && number.parse::<u64>().is_ok()
        });
        let gate = self.shop.gate().filter(|_| is_id).ok_or_else(gone)?;
        let queue = OrderQueue::beside(gate);
        match queue.dead_letter(id).await {
            Ok(Some(letter)) => Ok((queue, letter)),
            Ok(None) => Err(gone()),
            Err(error) => Err(redis_unavailable(&error)),
        }
    }
}

fn gone() -> ShopError {
    ShopError::InvalidState(
        "This dead letter no longer exists. Reload the page to see the remaining ones.".to_owned(),
    )
}

fn redis_unavailable(error: &Unavailable) -> ShopError {
    tracing::debug!(%error, "a dead letter cannot be changed now");
    ShopError::InvalidState("Redis does not answer. Try again later.".to_owned())
}
