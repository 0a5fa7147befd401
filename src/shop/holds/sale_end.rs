//! A hold ends with the sale of its product, also if the sale's end is moved forward while the
//! product is reserved. A later end does not lengthen a hold, and whether a hold ended with its
//! sale is known from the hold: a sale that was ended by mistake may be open again when the hold is
//! released.
//!
//! A payment that began before the end counts: while it is in flight, its hold does not end with
//! the sale, whether the end was planned before or comes now; see [`outlast_sale`].
//!
//! A change of a plan and a reservation of the same product meet at two locks. The change locks
//! the product's holds, then its stock row. A reservation writes a hold only while it has locked
//! the stock row, and reads the plan after that; so either the change finds its hold, or it finds
//! the new plan.

use std::collections::BTreeMap;

use sea_orm::{DbErr, sea_query::Expr};
use time::{Duration, OffsetDateTime};

use super::set;
use crate::{
    db::{
        dialect,
        entity::hold,
        locks,
        txn::{Abort, Work},
    },
    shop::{Shop, catalog},
};

/// How long a hold outlasts its sale at least while a payment is in flight: the outcome of a charge
/// is known within a minute.
pub const PAYMENT_TIME: Duration = Duration::MINUTE;

/// Locks all holds of a product, then its stock row. The caller changes the plan of the product,
/// and then calls [`shorten`].
pub async fn lock(work: &Work, product_id: i64) -> Result<Vec<hold::Model>, DbErr> {
    let mut holds = locks::holds_of_product(work, product_id).await?;
    locks::stock_row(work, product_id).await?;
    // Holds that were written between the two locks.
    let known: Vec<i64> = holds.iter().map(|hold| hold.id).collect();
    holds.extend(locks::other_holds_of_product(work, product_id, &known).await?);
    Ok(holds)
}

/// Lets those of `holds` that belong to carts expire at the latest at `ends_at`, and returns their
/// number. A payment in flight keeps its hold.
pub async fn shorten(
    work: &Work,
    holds: &[hold::Model],
    ends_at: OffsetDateTime,
) -> Result<usize, Abort> {
    let longer: Vec<_> = holds
        .iter()
        .filter(|hold| hold.order_id.is_none() && hold.expires_at > ends_at)
        .cloned()
        .collect();
    if longer.is_empty() {
        return Ok(0);
    }
    end_with_sale(work, &longer, ends_at).await?;
    Ok(longer.len())
}

/// Lets those of `holds` that would end with their sale outlast it, because a payment for them
/// begins: until the time of their reservation, and at least [`PAYMENT_TIME`] from now. Otherwise
/// a payer whose charge takes a few seconds could lose the units in between. If the payment fails,
/// [`shorten_returned`] takes the time back.
pub async fn outlast_sale(work: &Work, shop: &Shop, holds: &[hold::Model]) -> Result<(), DbErr> {
    let ending: Vec<_> = holds.iter().filter(|hold| hold.ends_with_sale).collect();
    if ending.is_empty() {
        return Ok(());
    }
    let payment_end = dialect::clock_now(work.connection()).await? + PAYMENT_TIME;
    for hold in ending {
        let until = full_end(shop, hold).max(payment_end);
        set(
            work,
            std::slice::from_ref(hold),
            &[
                (hold::Column::ExpiresAt, Expr::value(until)),
                (hold::Column::EndsWithSale, Expr::value(false)),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Lets `holds`, which have come back from an order to their cart, expire at the latest when the
/// sales of their products end.
pub async fn shorten_returned(work: &Work, holds: &[hold::Model]) -> Result<(), Abort> {
    let ends = ends_of(work, holds).await?;
    for hold in holds {
        if let Some(ends_at) = ends.get(&hold.product_id)
            && hold.expires_at > *ends_at
        {
            end_with_sale(work, std::slice::from_ref(hold), *ends_at).await?;
        }
    }
    Ok(())
}

/// Lets `holds` expire when the sale of their product ends, at `ends_at`.
async fn end_with_sale(
    work: &Work,
    holds: &[hold::Model],
    ends_at: OffsetDateTime,
) -> Result<(), DbErr> {
    set(
        work,
        holds,
        &[
            (hold::Column::ExpiresAt, Expr::value(ends_at)),
            (hold::Column::EndsWithSale, Expr::value(true)),
        ],
    )
    .await
}

/// Groups `holds` by the time at which they expire: at `until`, or when the sale ends.
pub(super) async fn by_end(
    work: &Work,
    holds: Vec<hold::Model>,
    until: OffsetDateTime,
) -> Result<BTreeMap<OffsetDateTime, Vec<hold::Model>>, Abort> {
    let ends = ends_of(work, &holds).await?;
    let mut by_end = BTreeMap::<_, Vec<_>>::new();
    for hold in holds {
        let sale_end = ends.get(&hold.product_id).copied();
        by_end
            .entry(earlier(until, sale_end))
            .or_default()
            .push(hold);
    }
    Ok(by_end)
}

/// When the reservation of `hold` ends. The hold itself may end earlier, with its sale; what is
/// added to the cart does not.
pub(super) fn full_end(shop: &Shop, hold: &hold::Model) -> OffsetDateTime {
    if !hold.ends_with_sale {
        return hold.expires_at;
    }
    let began_at = hold.reserved_at.unwrap_or(hold.created_at);
    hold.expires_at.max(began_at + shop.terms.hold_ttl())
}

/// The earlier of `until` and the sale's end, if it has one.
pub(super) fn earlier(until: OffsetDateTime, sale_end: Option<OffsetDateTime>) -> OffsetDateTime {
    sale_end.map_or(until, |sale_end| until.min(sale_end))
}

/// The ends of the sales of the held products that have one, by product id.
async fn ends_of(
    work: &Work,
    holds: &[hold::Model],
) -> Result<BTreeMap<i64, OffsetDateTime>, DbErr> {
    let ids: Vec<i64> = holds.iter().map(|hold| hold.product_id).collect();
    let offers = catalog::offers_now(work, &ids).await?;
    Ok(offers
        .into_iter()
        .filter_map(|offer| Some((offer.id, offer.sale_ends_at?)))
        .collect())
}
