//! The holds of a cart, as its shopper sees them.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{ReleaseReason, SALE_ENDED, limits::extension_is_used};
use crate::{
    db::{
        dialect,
        entity::{hold, product},
        txn,
    },
    model::{ReleasedLine, Reservation, ShopError},
    shop::{Shop, moment},
};

/// How long a cart's page lists the units that its expired reservation released.
const RELEASE_NOTICE_DURATION: Duration = Duration::days(1);

/// The reservation of a cart.
#[derive(Debug, Default)]
pub struct CartHolds {
    pub reservation: Option<Reservation>,
    /// Reserved units, by product id.
    pub units: BTreeMap<i64, i64>,
    /// The prices of a unit when it was reserved, in cents, by product id.
    pub unit_prices: BTreeMap<i64, i64>,
    pub released: Vec<ReleasedLine>,
}

impl CartHolds {
    /// Reads the cart's reservation with the units of each product; if it has none, the units
    /// that its last reservation released when it expired.
    pub async fn read(shop: &Shop, cart_id: Uuid) -> Result<Self, ShopError> {
        let reader = shop.db.reader();
        let now = dialect::now(reader).await.map_err(txn::read_error)?;
        let rows = hold::Entity::find()
            .filter(hold::Column::CartId.eq(cart_id))
            .filter(hold::Column::ExpiresAt.gt(now - RELEASE_NOTICE_DURATION))
            .order_by_asc(hold::Column::Id)
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let live: Vec<_> = rows.iter().filter(|row| is_live(row, now)).collect();
        // The hold whose sale ends first.
        let first = live.iter().min_by_key(|row| row.expires_at);
        let reservation = first.map(|first| Reservation {
            ends_at: moment::time_in_utc(first.expires_at),
            seconds_left: seconds(first.expires_at - now).max(1),
            ttl_s: shop.terms.hold_ttl_s,
            extended: first.extended || extension_is_used(&rows, now),
        });
        let released = if reservation.is_none() {
            last_expired_lines(shop, &rows, now).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            reservation,
            units: live
                .iter()
                .map(|row| (row.product_id, i64::from(row.quantity)))
                .collect(),
            unit_prices: live
                .iter()
                .filter_map(|row| Some((row.product_id, row.unit_price_cents?)))
                .collect(),
            released,
        })
    }
}

/// Returns the newest holds of a cart if they expired.
async fn last_expired_lines(
    shop: &Shop,
    rows: &[hold::Model],
    now: OffsetDateTime,
) -> Result<Vec<ReleasedLine>, ShopError> {
    let Some(newest) = rows.last() else {
        return Ok(Vec::new());
    };
    let expired: Vec<_> = rows
        .iter()
        // The holds of one reservation, which may end at different times.
        .filter(|row| row.expires_at == newest.expires_at || row.expires_at > newest.created_at)
        .filter(|row| row.order_id.is_none())
        .filter(|row| is_expired(row, now))
        .collect();
    let ids: Vec<i64> = expired.iter().map(|row| row.product_id).collect();
    let products = product::Entity::find()
        .filter(dialect::column_in(product::Column::Id, &ids))
        .all(shop.db.reader())
        .await
        .map_err(txn::read_error)?;
    let has_ended = |id| {
        let product = products.iter().find(|product| product.id == id);
        let ends_at = product.and_then(|product| product.sale_ends_at);
        ends_at.is_some_and(|ends_at| ends_at <= now)
    };
    let name_of = |id| {
        let product = products.iter().find(|product| product.id == id);
        product
            .map(|product| product.name.clone())
            .unwrap_or_default()
    };
    Ok(expired
        .iter()
        .map(|row| ReleasedLine {
            // The sale may be open again.
            sale_ended: row.ends_with_sale && has_ended(row.product_id),
            product_id: row.product_id,
            product_name: name_of(row.product_id),
            quantity: row.quantity.into(),
        })
        .collect())
}

fn is_live(row: &hold::Model, now: OffsetDateTime) -> bool {
    row.state == "held" && row.order_id.is_none() && row.expires_at > now
}

/// True for an expired hold, also if it is not swept yet.
fn is_expired(row: &hold::Model, now: OffsetDateTime) -> bool {
    match row.state.as_str() {
        "held" => row.expires_at <= now,
        "released" => {
            let reason = row.reason.as_deref();
            reason == Some(ReleaseReason::Expired.as_str()) || reason == Some(SALE_ENDED)
        }
        _ => false,
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.whole_seconds()).unwrap_or(0)
}
