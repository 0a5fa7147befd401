//! What an administrator does with the outbox: subscribes, ends the subscription, and sends again.

use std::time::{Duration, Instant};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::Expr,
};

use super::{Destination, EventState, UNWANTED_EVENTS};
use crate::{
    db::{
        dialect,
        entity::{event_subscription, outbox_event, shop_secret},
        retention::{self, BATCH_ROWS},
        txn::{self, Abort, Work},
    },
    model::ShopError,
    shop::{Shop, operation::EVENT_SECRET},
};

/// The id of the only row.
const ONLY: i32 = 1;
/// The most time that an act works on the events that wait, of which there may be millions after an
/// outage of the subscriber.
const EVENTS_MAX: Duration = Duration::from_secs(2);

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
    /// without Redis, and while events of the last subscription are left.
    pub async fn subscribe(self, destination: &str) -> Result<(), ShopError> {
        let parsed: Destination = destination.parse()?;
        if matches!(parsed, Destination::Stream(_)) && self.shop.gate().is_none() {
            return Err(ShopError::InvalidState(
                "This server has no Redis. Enter a URL, or set REDIS_URL and start it again."
                    .to_owned(),
            ));
        }
        let deleted = retention::delete(&self.shop.db, &UNWANTED_EVENTS, EVENTS_MAX).await?;
        if !deleted.is_complete {
            return Err(ShopError::InvalidState(
                "The events of the last subscription are still being deleted. Try again in a minute."
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
                    // them since they were deleted, so there are few.
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

    /// Ends the subscription: no events are written or sent any more, and the next subscriber gets
    /// another secret. Those that wait are deleted, the rest of many by retention.
    pub async fn unsubscribe(self) -> Result<(), ShopError> {
        let policy = self.shop.policy("end subscription");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            Box::pin(async move {
                event_subscription::Entity::delete_by_id(ONLY)
                    .exec(work.connection())
                    .await?;
                forget_secret(work).await
            })
        })
        .await?;
        let deleted = retention::delete(&self.shop.db, &UNWANTED_EVENTS, EVENTS_MAX).await;
        if let Err(error) = deleted {
            tracing::warn!(%error, "could not delete the events of the ended subscription; they are deleted later");
        }
        Ok(())
    }

    /// Sends the events that wait after a failure at once, in batches. Those of them that it does
    /// not reach in its time are sent after their pause, which is at most five minutes.
    pub async fn send_again(self) -> Result<(), ShopError> {
        let policy = self.shop.policy("send events again");
        let started = Instant::now();
        while started.elapsed() < EVENTS_MAX {
            let batch_started = Instant::now();
            let batch = txn::run_for_result(&self.shop.db, policy, |work| {
                Box::pin(async move { Ok(end_pauses(work).await?) })
            });
            if batch.await? < BATCH_ROWS {
                break;
            }
            retention::pause_after(batch_started.elapsed()).await;
        }
        Ok(())
    }
}

/// Makes one batch of the failed events due, and returns their number.
async fn end_pauses(work: &Work) -> Result<usize, DbErr> {
    let now = dialect::now(work.connection()).await?;
    let paused: Vec<i64> = outbox_event::Entity::find()
        .select_only()
        .column(outbox_event::Column::Id)
        .filter(outbox_event::Column::State.eq(EventState::Failed.stored()))
        .filter(outbox_event::Column::NextAttemptAt.gt(now))
        .limit(BATCH_ROWS as u64)
        .into_tuple()
        .all(work.connection())
        .await?;
    outbox_event::Entity::update_many()
        .col_expr(outbox_event::Column::NextAttemptAt, Expr::value(now))
        .filter(dialect::column_in(outbox_event::Column::Id, &paused))
        .filter(outbox_event::Column::DeliveredAt.is_null())
        .exec(work.connection())
        .await?;
    Ok(paused.len())
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
