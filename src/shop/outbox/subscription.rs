//! What an administrator does with the outbox: subscribes, ends the subscription, and sends again.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use super::{Destination, EventState};
use crate::{
    db::{
        dialect,
        entity::{event_subscription, outbox_event, shop_secret},
        txn::{self, Abort, Work},
    },
    model::ShopError,
    shop::{Shop, operation::EVENT_SECRET},
};

/// The id of the only row.
const ONLY: i32 = 1;

/// Changes the subscription; see [`Shop::outbox_administration`].
#[derive(Clone, Copy, Debug)]
pub struct OutboxAdministration<'a> {
    pub(in crate::shop) shop: &'a Shop,
}

impl OutboxAdministration<'_> {
    /// Sends events to this destination from now on, also those that wait. Another destination gets
    /// another secret: the last one knows the old secret, and could sign for the shop.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] for `destination`; [`ShopError::InvalidState`] for a stream
    /// without Redis.
    pub async fn subscribe(self, destination: &str) -> Result<(), ShopError> {
        let parsed: Destination = destination.parse()?;
        if matches!(parsed, Destination::Stream(_)) && self.shop.gate().is_none() {
            return Err(ShopError::InvalidState(
                "This server has no Redis. Enter a URL, or set REDIS_URL and start it again."
                    .to_owned(),
            ));
        }
        let destination = destination.trim().to_owned();
        let policy = self.shop.policy("change subscription");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let destination = destination.clone();
            Box::pin(async move {
                let last = event_subscription::Entity::find_by_id(ONLY)
                    .one(work.connection())
                    .await?;
                match last {
                    Some(last) if last.destination != destination => forget_secret(work).await?,
                    Some(_) => {}
                    // A transaction that began before the end of the last subscription has written
                    // them since.
                    None => forget_waiting(work).await?,
                }
                event_subscription::Entity::delete_by_id(ONLY)
                    .exec(work.connection())
                    .await?;
                let row = event_subscription::ActiveModel {
                    id: Set(ONLY),
                    destination: Set(destination),
                    changed_at: NotSet,
                };
                event_subscription::Entity::insert(row)
                    .exec_without_returning(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Ends the subscription: no events are written any more, those that wait are deleted, and the
    /// next subscriber gets another secret.
    pub async fn unsubscribe(self) -> Result<(), ShopError> {
        let policy = self.shop.policy("end subscription");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            Box::pin(async move {
                event_subscription::Entity::delete_by_id(ONLY)
                    .exec(work.connection())
                    .await?;
                forget_waiting(work).await?;
                forget_secret(work).await
            })
        })
        .await
        .map_err(ShopError::from)
    }

    /// Sends the events that wait after a failure at once.
    pub async fn send_again(self) -> Result<(), ShopError> {
        let policy = self.shop.policy("send events again");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            Box::pin(async move {
                let now = dialect::now(work.connection()).await?;
                outbox_event::Entity::update_many()
                    .col_expr(outbox_event::Column::NextAttemptAt, Expr::value(now))
                    .filter(outbox_event::Column::State.eq(EventState::Failed.stored()))
                    .exec(work.connection())
                    .await?;
                Ok(())
            })
        })
        .await
        .map_err(ShopError::from)
    }
}

/// Deletes the events that wait.
async fn forget_waiting(work: &Work) -> Result<(), Abort> {
    outbox_event::Entity::delete_many()
        .filter(outbox_event::Column::DeliveredAt.is_null())
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Removes the secret: the next event is signed with a new one.
async fn forget_secret(work: &Work) -> Result<(), Abort> {
    shop_secret::Entity::delete_by_id(EVENT_SECRET.to_owned())
        .exec(work.connection())
        .await?;
    Ok(())
}
