//! The reservations of a cart in the last day, and how they ended.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::Period;
use crate::{
    db::entity::hold,
    shop::holds::{Line, ReleaseReason, SALE_ENDED},
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct History {
    /// In the order of their beginning.
    past: Vec<Past>,
    /// Units that are reserved for the cart now, by product id.
    held: BTreeMap<i64, i64>,
    now: OffsetDateTime,
}

/// The holds of one reservation.
#[derive(Debug)]
struct Past {
    began_at: OffsetDateTime,
    ends_at: OffsetDateTime,
    extended: bool,
    /// All holds ended with their sales, before the time of the reservation.
    ended_with_sales: bool,
    /// At least one hold was sold.
    was_sold: bool,
    /// At least one hold is reserved for the cart, or for an order that is being paid.
    is_open: bool,
    /// At least one hold expired.
    expired: bool,
    /// At least one hold was removed from the cart in the second half of its time.
    was_removed_late: bool,
}

impl Past {
    const fn starting(at: OffsetDateTime) -> Self {
        Self {
            began_at: at,
            ends_at: at,
            extended: false,
            ended_with_sales: true,
            was_sold: false,
            is_open: false,
            expired: false,
            was_removed_late: false,
        }
    }

    fn add(&mut self, row: &hold::Model, now: OffsetDateTime) {
        self.ends_at = self.ends_at.max(row.expires_at);
        self.extended |= row.extended;
        self.ended_with_sales &= row.ends_with_sale;
        let of_order = row.order_id.is_some();
        match row.state.as_str() {
            "sold" => self.was_sold = true,
            "held" if of_order || row.expires_at > now => self.is_open = true,
            // Not swept yet. The shop ended the reservation, not the shopper.
            "held" if row.ends_with_sale => {}
            "held" => self.expired = true,
            _ if of_order => {}
            _ if row.reason.as_deref() == Some(ReleaseReason::Expired.as_str()) => {
                self.expired = true;
            }
            _ if row.reason.as_deref() == Some(SALE_ENDED) => {}
            _ => {
                let closed_at = row.closed_at.unwrap_or(now);
                self.was_removed_late |=
                    closed_at - self.began_at > (row.expires_at - self.began_at) / 2;
            }
        }
    }

    /// True if the reservation is over and was not paid. Emptying the cart late counts: otherwise,
    /// emptying it just before the end would cost nothing.
    fn ended_unpaid(&self, now: OffsetDateTime) -> bool {
        let was_given_up =
            self.was_removed_late && !self.was_sold && !self.is_open && self.ends_at <= now;
        self.expired || was_given_up
    }
}

/// Groups the holds of a cart by reservation. Holds of buyers without limits are left out.
fn group(rows: &[hold::Model], now: OffsetDateTime) -> BTreeMap<OffsetDateTime, Past> {
    let mut groups = BTreeMap::new();
    for row in rows {
        if let Some(at) = row.reserved_at {
            let past = groups.entry(at).or_insert_with(|| Past::starting(at));
            past.add(row, now);
        }
    }
    groups
}

/// Returns true if the shopper has extended a reservation and not paid for it since. An extension
/// counts for the shopper, whatever happened to the hold.
pub fn extension_is_used(rows: &[hold::Model], now: OffsetDateTime) -> bool {
    let groups = group(rows, now);
    groups.values().any(|past| past.extended && !past.was_sold)
}

impl History {
    /// `rows` are the holds of a cart.
    pub fn of(rows: &[hold::Model], now: OffsetDateTime) -> Self {
        let mut held = BTreeMap::new();
        for row in rows {
            if row.state == "held" && row.order_id.is_none() && row.expires_at > now {
                *held.entry(row.product_id).or_default() += i64::from(row.quantity);
            }
        }
        Self {
            past: group(rows, now).into_values().collect(),
            held,
            now,
        }
    }

    /// Returns true if everything in `lines` is reserved.
    pub fn covers(&self, lines: &[Line]) -> bool {
        lines.iter().all(|(offer, quantity)| {
            let held = self.held.get(&offer.id).copied().unwrap_or(0);
            held >= i64::from(quantity.get())
        })
    }

    /// Returns the time of the latest reservation if it is not over, also if the cart was emptied
    /// since. Paying ends it. A reservation lasts for `ttl`, also if all of its holds end earlier
    /// with their sales: what is added does not.
    pub fn running_period(&self, ttl: Duration) -> Option<Period> {
        let latest = self.past.last()?;
        let ends_at = match latest.ended_with_sales {
            true => latest.ends_at.max(latest.began_at + ttl),
            false => latest.ends_at,
        };
        (latest.ends_at > self.now && !latest.was_sold).then_some(Period {
            began_at: Some(latest.began_at),
            ends_at,
            extended: latest.extended,
        })
    }

    fn unpaid_ones(&self) -> impl Iterator<Item = &Past> {
        self.past.iter().filter(|past| past.ended_unpaid(self.now))
    }

    /// Returns how many reservations ended unpaid.
    pub fn unpaid(&self) -> u32 {
        u32::try_from(self.unpaid_ones().count()).unwrap_or(u32::MAX)
    }

    /// Returns when the last of them ended.
    pub fn last_unpaid_at(&self) -> Option<OffsetDateTime> {
        self.unpaid_ones().map(|past| past.ends_at).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::seconds(600);

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    /// A hold whose reservation began at `began_s`.
    fn hold(began_s: i64, state: &str) -> hold::Model {
        hold::Model {
            id: 1,
            cart_id: None,
            order_id: None,
            product_id: 1,
            quantity: 2,
            state: state.to_owned(),
            reason: None,
            extended: false,
            expires_at: at(began_s) + TTL,
            created_at: at(began_s),
            closed_at: None,
            network: None,
            reserved_at: Some(at(began_s)),
            unit_price_cents: None,
            ends_with_sale: false,
        }
    }

    fn released(began_s: i64, reason: &str, closed_s: i64) -> hold::Model {
        hold::Model {
            reason: Some(reason.to_owned()),
            closed_at: Some(at(closed_s)),
            ..hold(began_s, "released")
        }
    }

    fn paying(began_s: i64) -> hold::Model {
        hold::Model {
            order_id: Some(1),
            ..hold(began_s, "held")
        }
    }

    fn unpaid(rows: &[hold::Model], now_s: i64) -> u32 {
        History::of(rows, at(now_s)).unpaid()
    }

    #[test]
    fn a_hold_that_expired_ended_unpaid_swept_or_not() {
        assert_eq!(unpaid(&[hold(0, "held")], 599), 0);
        assert_eq!(unpaid(&[hold(0, "held")], 600), 1);
        assert_eq!(unpaid(&[released(0, "expired", 601)], 700), 1);
        // The shop ended it, with its sale.
        assert_eq!(unpaid(&[released(0, SALE_ENDED, 601)], 700), 0);
        let not_swept = hold::Model {
            ends_with_sale: true,
            ..hold(0, "held")
        };
        assert_eq!(unpaid(&[not_swept], 700), 0);
        let two = [hold(0, "held"), hold(1_000, "held")];
        assert_eq!(unpaid(&two, 1_600), 2);
        let last = History::of(&two, at(1_600)).last_unpaid_at();
        assert_eq!(last, Some(at(1_600)));
    }

    #[test]
    fn a_paid_reservation_did_not_end_unpaid() {
        assert_eq!(unpaid(&[hold(0, "sold")], 900), 0);
        assert_eq!(unpaid(&[paying(0)], 900), 0);
        let removed_one = [released(0, "cart", 500), hold(0, "sold")];
        assert_eq!(unpaid(&removed_one, 900), 0);
        // One line was paid for, the other one expired.
        let partly = [hold(0, "sold"), released(0, "expired", 601)];
        assert_eq!(unpaid(&partly, 900), 1);
    }

    #[test]
    fn emptying_the_cart_costs_nothing_only_if_it_is_early() {
        assert_eq!(unpaid(&[released(0, "cart", 300)], 900), 0);
        assert_eq!(unpaid(&[released(0, "cart", 301)], 900), 1);
        assert_eq!(unpaid(&[released(0, "cart", 599)], 599), 0, "not over yet");
    }

    #[test]
    fn a_reservation_runs_until_its_end_also_if_the_cart_is_empty() {
        let running = |rows: &[hold::Model], now_s| {
            let period = History::of(rows, at(now_s)).running_period(TTL);
            period.map(|period| period.ends_at)
        };
        assert_eq!(running(&[released(0, "cart", 10)], 20), Some(at(600)));
        assert_eq!(running(&[released(0, "cart", 10)], 600), None);
        assert_eq!(running(&[hold(0, "sold")], 20), None, "paying ends it");
        assert_eq!(running(&[paying(0)], 20), Some(at(600)));
        let newer = [hold(0, "sold"), hold(30, "held")];
        assert_eq!(running(&newer, 40), Some(at(630)));
        let with_sale = hold::Model {
            expires_at: at(60),
            ends_with_sale: true,
            ..released(0, "cart", 10)
        };
        assert_eq!(running(std::slice::from_ref(&with_sale), 20), Some(at(600)));
        assert_eq!(running(&[with_sale], 60), None, "over with its sale");
    }

    #[test]
    fn an_extension_counts_until_its_reservation_is_paid() {
        let extended = |state| hold::Model {
            extended: true,
            ..hold(0, state)
        };
        let used = |rows: &[hold::Model]| extension_is_used(rows, at(2_000));
        assert!(used(&[extended("held")]));
        assert!(used(&[extended("released"), hold(1_000, "held")]));
        assert!(!used(&[extended("sold"), hold(1_000, "held")]));
        assert!(!used(&[extended("released"), hold(0, "sold")]));
        let unlimited = hold::Model {
            reserved_at: None,
            ..extended("held")
        };
        assert!(!used(&[unlimited]));
    }
}
