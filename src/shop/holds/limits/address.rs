//! The holds of one address.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use sea_orm::{DbErr, FromQueryResult};
use time::{Duration, OffsetDateTime};
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

/// How long a reservation that ended counts for its address.
const MEMORY: Duration = Duration::hours(1);

/// Reads the holds of the address `$1`, as seen from the cart `$2` with the other cart `$3`, at the
/// time `$4`; of those that were closed, only the ones closed since `$5`. The indexes
/// `hold_network` and `hold_cart_id` find them.
///
/// A hold ended unpaid if it was released after more than half of its time, also when the shopper
/// removed it: otherwise, emptying the cart just before the end would cost nothing. A reservation
/// is all holds of a cart that began at the same time.
static SQL: LazyLock<String> = LazyLock::new(|| {
    let held_us = dialect::microseconds_between("h.reserved_at", "h.closed_at");
    let reserved_us = dialect::microseconds_between("h.reserved_at", "h.expires_at");
    let total = |part: &str| dialect::integer(&format!("COALESCE(SUM({part}), 0)"));
    format!(
        "
    WITH held AS (
        SELECT h.cart_id, h.reserved_at, h.quantity, h.quantity * p.price_cents AS cents, h.expires_at,
               COALESCE(h.closed_at, h.expires_at) AS ends_at,
               h.state = 'sold' AS is_paid,
               h.state = 'held' AND (h.expires_at > $4 OR h.order_id IS NOT NULL) AS is_open,
               h.cart_id IS NOT NULL AND h.cart_id = $2 AND h.order_id IS NULL AS is_own_line,
               h.cart_id IS NOT NULL AND h.cart_id IN ($2, $3) AS is_of_session,
               h.order_id IS NULL AND h.reserved_at IS NOT NULL
                 AND CASE h.state WHEN 'held' THEN h.expires_at <= $4 AND NOT h.ends_with_sale
                                  WHEN 'released' THEN (h.reason IS NULL OR h.reason <> 'sale ended')
                                    AND (h.reason = 'expired' OR 2 * {held_us} > {reserved_us})
                                  ELSE false END AS is_unpaid
        FROM hold h JOIN product p ON p.id = h.product_id
        WHERE (h.network = $1 OR h.cart_id = $3) AND (h.closed_at IS NULL OR h.closed_at > $5)),
    reservation AS (
        SELECT SUM(CASE WHEN is_open AND NOT is_own_line THEN quantity ELSE 0 END) AS other_units,
               SUM(CASE WHEN is_open AND NOT is_own_line THEN cents ELSE 0 END) AS other_cents,
               SUM(CASE WHEN is_open AND NOT is_own_line AND is_of_session THEN quantity ELSE 0 END) AS session_units,
               SUM(CASE WHEN is_open AND NOT is_own_line AND is_of_session THEN cents ELSE 0 END) AS session_cents,
               MIN(CASE WHEN is_open AND NOT is_of_session THEN expires_at END) AS first_ends_at,
               MAX(CASE WHEN is_unpaid THEN 1 ELSE 0 END) AS unpaid,
               MAX(CASE WHEN is_paid THEN 1 ELSE 0 END) AS paid,
               MAX(CASE WHEN is_unpaid THEN ends_at END) AS last_unpaid_at
        FROM held GROUP BY cart_id, reserved_at)
    SELECT {} AS other_units, {} AS other_cents, {} AS session_units, {} AS session_cents,
           MIN(first_ends_at) AS first_ends_at, {} AS unpaid, {} AS paid, MAX(last_unpaid_at) AS last_unpaid_at
    FROM reservation",
        total("other_units"),
        total("other_cents"),
        total("session_units"),
        total("session_cents"),
        total("unpaid"),
        total("paid"),
    )
});

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
    /// `other`, perhaps from another address. `now` is the time of the transaction, with which the
    /// caller compares everything else.
    pub async fn read(
        work: &Work,
        holder: &HolderAddress,
        cart_id: Uuid,
        other: Uuid,
        now: OffsetDateTime,
    ) -> Result<Self, DbErr> {
        let values = [
            holder.as_str().into(),
            cart_id.into(),
            other.into(),
            now.into(),
            (now - MEMORY).into(),
        ];
        Self::find_by_statement(dialect::statement(&SQL, values))
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
