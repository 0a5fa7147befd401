//! Taking the stock of a purchase that comes from the gate: the row decides.

use super::{Admission, Ticket};
use crate::{
    db::{
        locks,
        txn::{Abort, Work},
    },
    model::ShopError,
    shop::inventory::{
        counters::{self, Level},
        sale::Sale,
    },
};

/// Sells by one conditional update if the gate has let the purchase through, and otherwise, or if
/// that finds too few units, under the lock of the row. Refuses without it only what the row has
/// just refused.
///
/// # Errors
/// As [`Sale::take_from`].
pub async fn take(work: &Work, sale: &Sale, ticket: &Ticket) -> Result<Option<Level>, Abort> {
    let is_short = match ticket.admission() {
        Admission::Refused(refusal) if !refusal.is_outdated(&sale.shop, sale.offer.id) => {
            return Err(sale.refuse_as_at(refusal.available, refusal.version, refusal.at));
        }
        Admission::Refused(_) | Admission::Short { .. } => true,
        Admission::Reserved { .. } | Admission::Unknown => false,
    };
    if !is_short && let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        ticket.note_level(level);
        return Ok(Some(level));
    }
    let row = locks::stock_row(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    ticket.note_level(Level::of(&row));
    let level = sale.take_from(work, &row).await?;
    ticket.note_level(level);
    Ok(Some(level))
}
