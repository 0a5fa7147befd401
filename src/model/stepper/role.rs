//! The role of an actor in a story.

use super::{IsolationChoice, StoryBuyer, actor_letter};
use crate::model::StrategyKey;

/// The role of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Buys one product with a strategy.
    Buyer(StoryBuyer),
    /// Buys two products in one transaction and locks their rows in the order in which they were
    /// added to the cart, which can deadlock. Every second cart was filled in the opposite order.
    CartInAddedOrder,
    /// The same, but locks all rows at once, ordered by id, as the shop does.
    CartInIdOrder,
    /// Reserves one unit of a product of its own when it enters the checkout, at REPEATABLE READ.
    Shopper,
    /// Processes the payment of an order whose hold may have expired.
    Payment,
    /// Releases expired holds.
    Sweeper,
}

impl Role {
    /// For example `Buyer A`.
    pub fn name(self, actor: usize) -> String {
        let kind = match self {
            Self::Buyer(_) => "Buyer",
            Self::CartInAddedOrder | Self::CartInIdOrder => "Cart",
            Self::Shopper => "Shopper",
            Self::Payment => "Payment",
            Self::Sweeper => "Sweeper",
        };
        format!("{kind} {}", actor_letter(actor).to_ascii_uppercase())
    }

    /// The line below the name.
    pub fn description(self, actor: usize) -> String {
        let products = if actor.is_multiple_of(2) {
            "first 1, then 2"
        } else {
            "first 2, then 1"
        };
        match self {
            Self::Buyer(seat) => {
                let units = match seat.units {
                    1 => String::new(),
                    units => format!(" · {units} units"),
                };
                let level = seat.isolation.of(seat.strategy);
                format!("{} · {level}{units}", seat.strategy.as_str())
            }
            Self::CartInAddedOrder => format!("locks product {products}"),
            Self::CartInIdOrder => format!("cart order {products}; locks by id"),
            Self::Shopper => {
                let level = IsolationChoice::RepeatableRead.label();
                format!("reserves product {} · {level}", actor + 1)
            }
            Self::Payment => "the provider reports: paid".to_owned(),
            Self::Sweeper => "releases expired holds".to_owned(),
        }
    }

    /// The isolation level of its transactions.
    pub const fn isolation(self) -> IsolationChoice {
        match self {
            Self::Buyer(seat) => seat.isolation,
            Self::Shopper => IsolationChoice::RepeatableRead,
            _ => IsolationChoice::AsStrategy,
        }
    }

    /// The strategy by which it buys; `None` if it does something else.
    pub const fn strategy(self) -> Option<StrategyKey> {
        match self {
            Self::Buyer(seat) => Some(seat.strategy),
            _ => None,
        }
    }

    /// A note beside the actor.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::Buyer(seat) => seat.note(),
            Self::Sweeper => Some(
                "Its first statement changes the hold’s expiry time so that it has expired. In the shop, time passes.",
            ),
            _ => None,
        }
    }

    /// Units of each product that it requests.
    pub const fn units(self) -> u32 {
        match self {
            Self::Buyer(seat) => seat.units,
            _ => 1,
        }
    }
}
