//! The holds of one address.

use std::{net::IpAddr, sync::Arc};

use sea_orm::{DbErr, FromQueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Amount;
use crate::db::{dialect, txn::Work};

/// The address by which a shopper's holds are limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderAddress(Arc<str>);

impl HolderAddress {
    /// `network` is an IPv4 address, or the first address of a /64 network of IPv6.
    pub fn new(network: IpAddr) -> Self {
        Self(network.to_string().into())
    }

    /// Returns the text that is stored with a hold.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hold ended unpaid if it was released after more than half of its time, also when the shopper
/// removed it: otherwise, emptying the cart just before the end would cost nothing.
const SQL: &str = "
    WITH held AS (
        SELECT h.*, h.quantity * p.price_cents AS cents,
               h.state = 'held' AND (h.expires_at > CURRENT_TIMESTAMP OR h.order_id IS NOT NULL) AS is_open,
               h.cart_id IS NOT DISTINCT FROM $2 AS is_own,
               h.cart_id IS NOT NULL AND h.cart_id IN ($2, $3) AS is_of_session,
               h.order_id IS NULL AND h.reserved_at IS NOT NULL
                 AND CASE h.state WHEN 'held' THEN h.expires_at <= CURRENT_TIMESTAMP AND NOT h.ends_with_sale
                                  WHEN 'released' THEN h.reason IS DISTINCT FROM 'sale ended'
                                    AND (h.reason = 'expired'
                                      OR h.closed_at - h.reserved_at > (h.expires_at - h.reserved_at) / 2)
                                  ELSE false END AS is_unpaid
        FROM hold h JOIN product p ON p.id = h.product_id
        WHERE (h.network = $1 OR h.cart_id = $3) AND (h.closed_at IS NULL OR h.closed_at > CURRENT_TIMESTAMP - INTERVAL '1 hour'))
    SELECT coalesce(sum(quantity) FILTER (WHERE is_open AND NOT (is_own AND order_id IS NULL)), 0)::bigint AS other_units,
           coalesce(sum(cents) FILTER (WHERE is_open AND NOT (is_own AND order_id IS NULL)), 0)::bigint AS other_cents,
           coalesce(sum(quantity) FILTER (WHERE is_open AND is_of_session AND NOT (is_own AND order_id IS NULL)), 0)::bigint AS session_units,
           coalesce(sum(cents) FILTER (WHERE is_open AND is_of_session AND NOT (is_own AND order_id IS NULL)), 0)::bigint AS session_cents,
           min(expires_at) FILTER (WHERE is_open AND NOT is_of_session) AS first_ends_at,
           count(DISTINCT (cart_id, reserved_at)) FILTER (WHERE is_unpaid) AS unpaid,
           count(DISTINCT (cart_id, reserved_at)) FILTER (WHERE state = 'sold') AS paid,
           max(coalesce(closed_at, expires_at)) FILTER (WHERE is_unpaid) AS last_unpaid_at
    FROM held";

/// What the sessions of an address hold, and how their reservations of the last hour ended.
#[derive(Debug, FromQueryResult)]
pub(super) struct AddressHolds {
    other_units: i64,
    other_cents: i64,
    session_units: i64,
    session_cents: i64,
    /// When the first reservation of another session ends.
    pub first_ends_at: Option<OffsetDateTime>,
    unpaid: i64,
    paid: i64,
    pub last_unpaid_at: Option<OffsetDateTime>,
}

impl AddressHolds {
    /// Reads the holds of `holder`, as seen from the cart of a shopper who also has the cart
    /// `other`, perhaps from another address.
    pub async fn read(
        work: &Work,
        holder: &HolderAddress,
        cart_id: Uuid,
        other: Uuid,
    ) -> Result<Self, DbErr> {
        let values = [holder.as_str().into(), cart_id.into(), other.into()];
        Self::find_by_statement(dialect::statement(SQL, values))
            .one(work.connection())
            .await?
            .ok_or_else(|| DbErr::RecordNotFound("no row for the holds of an address".to_owned()))
    }

    /// What the address holds, except for the cart's own lines.
    pub const fn others(&self) -> Amount {
        Amount {
            units: self.other_units,
            cents: self.other_cents,
        }
    }

    /// What the shopper holds besides the cart's own lines: for orders that are being paid, and in
    /// their other cart.
    pub const fn of_session(&self) -> Amount {
        Amount {
            units: self.session_units,
            cents: self.session_cents,
        }
    }

    /// Returns how many more reservations ended unpaid than are allowed: `max`, and two for each
    /// paid one. Many honest shoppers of one address leave the checkout, but some of them pay.
    pub fn unpaid_beyond(&self, max: u32) -> i64 {
        match max {
            0 => 0,
            max => self.unpaid - 2 * self.paid - i64::from(max),
        }
    }
}
