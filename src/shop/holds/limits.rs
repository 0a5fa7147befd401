//! Limits on what a shopper holds without paying: units and value, for each session and for each
//! address, and a pause after a reservation that ended unpaid.
//!
//! A session is counted by its two carts. Everything is read from the holds, so that any number of
//! server processes count alike. A buyer without an address, such as a simulated one, has no
//! limits.

mod address;
mod history;

pub use address::HolderAddress;
pub use history::extension_is_used;

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use self::{address::AddressHolds, history::History};
use super::Line;
use crate::{
    config::HoldLimits,
    db::{
        dialect,
        entity::hold,
        locks,
        txn::{Abort, Work},
    },
    model::{Currency, Money, ShopError},
    shop::{Shop, cart_pair::other_cart, moment},
};

/// How long a reservation that ended unpaid counts.
const MEMORY: Duration = Duration::days(1);
/// Maximum number of a cart's holds that are read.
const HOLDS_READ_MAX: u64 = 1_000;
/// The longest pause.
const PAUSE_MAX_S: i64 = 3_600;
/// During a pause, a payment may still reserve, for no longer than a payment takes.
const PAYMENT_TTL: Duration = Duration::seconds(60);
/// After this many reservations that ended unpaid, a pause also applies to payments: otherwise
/// declined payments would hold stock forever.
const UNPAID_BEFORE_PAYMENTS_PAUSE: u32 = 3;

/// What the units are reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The shopper enters the checkout, or changes the reserved cart.
    Reserve,
    /// The shopper pays now.
    Pay,
}

/// The time of a reservation. Emptying and refilling the cart does not restart it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// `None` for a buyer without limits.
    pub began_at: Option<OffsetDateTime>,
    pub ends_at: OffsetDateTime,
    pub extended: bool,
}

/// Units and their value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    units: i64,
    cents: i64,
}

impl Amount {
    fn of(lines: &[Line]) -> Self {
        lines
            .iter()
            .fold(Self::default(), |sum, (offer, quantity)| {
                let units = i64::from(quantity.get());
                sum.plus(Self {
                    units,
                    cents: offer.price.cents.saturating_mul(units),
                })
            })
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            units: self.units.saturating_add(other.units),
            cents: self.cents.saturating_add(other.cents),
        }
    }
}

/// A limit that is exceeded, and by what, as text.
struct Exceeded {
    limit: String,
    wanted: String,
}

/// Compares `wanted` with limits of units and cents, of which 0 means no limit.
fn exceeded(wanted: Amount, units_max: u32, cents_max: u32) -> Option<Exceeded> {
    let is_over = |value: i64, max: u32| max > 0 && value > i64::from(max);
    let euros = |cents: i64| Money::new(cents, Currency::EUR).to_string();
    if is_over(wanted.units, units_max) {
        return Some(Exceeded {
            limit: format!("{units_max} units"),
            wanted: format!("{} units", wanted.units),
        });
    }
    // The most expensive product must be for sale.
    (is_over(wanted.cents, cents_max) && wanted.units > 1).then(|| Exceeded {
        limit: euros(cents_max.into()),
        wanted: euros(wanted.cents),
    })
}

/// Returns the pause after `times` reservations that ended unpaid.
fn pause(base_s: u32, times: i64) -> Duration {
    let doublings = u32::try_from((times - 1).clamp(0, 12)).unwrap_or(0);
    Duration::seconds((i64::from(base_s) << doublings).min(PAUSE_MAX_S))
}

/// The time at which a limit ends, as text, and the seconds until then.
fn end_of(until: OffsetDateTime, now: OffsetDateTime) -> (String, u64) {
    let left_s = u64::try_from((until - now).whole_seconds()).unwrap_or(0);
    (moment::time_in_utc(until), left_s + 1)
}

/// Checks whether the cart may reserve `lines` beside what the shopper's other cart holds, and
/// returns the time of a new reservation; `None` if it needs none. The caller has locked the cart,
/// and no stock.
///
/// # Errors
/// [`ShopError::OverHoldLimit`], [`ShopError::OverAddressHoldLimit`], [`ShopError::HoldsPaused`],
/// [`ShopError::AddressHoldsPaused`].
pub async fn admit(
    work: &Work,
    shop: &Shop,
    cart_id: Uuid,
    lines: &[Line],
    purpose: Purpose,
) -> Result<Option<Period>, Abort> {
    let Some(holder) = &shop.holder else {
        return Ok(None);
    };
    let now = dialect::now(work.connection()).await?;
    let own = rows_of_cart(work, cart_id, now).await?;
    let history = History::of(&own, now);
    if history.covers(lines) {
        return Ok(None);
    }
    let limits = &shop.terms.hold_limits;
    // The holds of an address are counted and added by one transaction at a time.
    locks::holds_of_address(work, holder.as_str()).await?;
    let other = other_cart(cart_id);
    let address = AddressHolds::read(work, holder, cart_id, other, now).await?;
    let wanted = Amount::of(lines);
    check_session(limits, wanted.plus(address.of_session()))?;
    let mut of_session = rows_of_cart(work, other, now).await?;
    of_session.extend(own);
    let session = History::of(&of_session, now);
    let running = history.running_period(shop.terms.hold_ttl());
    let period = running.unwrap_or(Period {
        began_at: Some(now),
        ends_at: now + shop.terms.hold_ttl(),
        extended: false,
    });
    let allowed = match running {
        Some(_) => Ok(()),
        None => check_pauses(limits, &session, &address, now),
    };
    let allowed = allowed.and_then(|()| check_address(limits, &address, wanted, now));
    match allowed {
        Ok(()) => Ok(Some(period)),
        Err(_) if purpose == Purpose::Pay && session.unpaid() < UNPAID_BEFORE_PAYMENTS_PAUSE => {
            Ok(Some(Period {
                ends_at: period.ends_at.min(now + PAYMENT_TTL),
                ..period
            }))
        }
        Err(error) => Err(error.into()),
    }
}

fn check_session(limits: &HoldLimits, wanted: Amount) -> Result<(), ShopError> {
    let (units_max, cents_max) = (limits.session_hold_units_max, limits.session_hold_cents_max);
    match exceeded(wanted, units_max, cents_max) {
        None => Ok(()),
        Some(Exceeded { limit, wanted }) => Err(ShopError::OverHoldLimit { limit, wanted }),
    }
}

fn check_address(
    limits: &HoldLimits,
    address: &AddressHolds,
    wanted: Amount,
    now: OffsetDateTime,
) -> Result<(), ShopError> {
    let (units_max, cents_max) = (limits.address_hold_units_max, limits.address_hold_cents_max);
    let Some(Exceeded { limit, wanted }) =
        exceeded(wanted.plus(address.others()), units_max, cents_max)
    else {
        return Ok(());
    };
    // Without other reservations, there is nothing to wait for.
    let Some(first_ends_at) = address.first_ends_at else {
        return Err(ShopError::OverHoldLimit { limit, wanted });
    };
    let (until, retry_after_s) = end_of(first_ends_at, now);
    Err(ShopError::OverAddressHoldLimit {
        limit,
        until,
        retry_after_s,
    })
}

fn check_pauses(
    limits: &HoldLimits,
    history: &History,
    address: &AddressHolds,
    now: OffsetDateTime,
) -> Result<(), ShopError> {
    let base_s = limits.unpaid_pause_s;
    if let Some(last) = history.last_unpaid_at() {
        let until = last + pause(base_s, history.unpaid().into());
        if now < until {
            let (until, retry_after_s) = end_of(until, now);
            return Err(ShopError::HoldsPaused {
                until,
                retry_after_s,
            });
        }
    }
    let excess = address.unpaid_beyond(limits.address_unpaid_max);
    if let Some(last) = address.last_unpaid_at
        && excess > 0
    {
        let until = last + pause(base_s, excess);
        if now < until {
            let (until, retry_after_s) = end_of(until, now);
            return Err(ShopError::AddressHoldsPaused {
                until,
                retry_after_s,
            });
        }
    }
    Ok(())
}

/// Reads the cart's holds that count for its limits, newest first.
pub async fn rows_of_cart(
    work: &Work,
    cart_id: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<hold::Model>, DbErr> {
    hold::Entity::find()
        .filter(hold::Column::CartId.eq(cart_id))
        .filter(hold::Column::ReservedAt.is_not_null())
        .filter(hold::Column::ExpiresAt.gt(now - MEMORY))
        .order_by_desc(hold::Column::Id)
        .limit(HOLDS_READ_MAX)
        .all(work.connection())
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_an_hour() {
        let seconds: Vec<_> = (0..9)
            .map(|times| pause(60, times).whole_seconds())
            .collect();
        assert_eq!(seconds, [60, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert_eq!(pause(60, i64::MAX).whole_seconds(), 3_600);
        assert_eq!(pause(0, 5), Duration::ZERO);
    }

    #[test]
    fn a_limit_of_zero_is_none_and_one_unit_is_always_possible() {
        let amount = |units, cents| Amount { units, cents };
        let over = |wanted, units_max, cents_max| {
            exceeded(wanted, units_max, cents_max).map(|exceeded| exceeded.limit)
        };
        assert_eq!(over(amount(9_999, i64::MAX), 0, 0), None);
        assert_eq!(over(amount(3, 300), 3, 300), None);
        assert_eq!(over(amount(4, 0), 3, 0), Some("3 units".to_owned()));
        assert_eq!(over(amount(2, 301), 3, 300), Some("€3.00".to_owned()));
        assert_eq!(over(amount(1, 9_999_999), 3, 300), None);
    }
}
