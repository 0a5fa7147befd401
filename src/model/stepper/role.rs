//! What somebody does in a story.

use super::{Seat, letter};

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Buys one product, by a strategy.
    Buyer(Seat),
    /// Buys two products in one transaction, and locks their rows in the order in which they lie in the cart: the mistake itself. Every second
    /// cart was filled the other way round.
    CartAsItComes,
    /// The same, and locks the rows as the shop does: all at once, by id.
    CartInOrder,
    /// Takes in that an order was paid for, whose hold may be gone.
    Payment,
    /// Gives back what is set aside and has run out.
    Sweeper,
}

impl Role {
    /// As in `Buyer A`.
    pub fn name(self, actor: usize) -> String {
        let kind = match self {
            Self::Buyer(_) => "Buyer",
            Self::CartAsItComes | Self::CartInOrder => "Cart",
            Self::Payment => "Payment",
            Self::Sweeper => "Sweeper",
        };
        format!("{kind} {}", letter(actor).to_ascii_uppercase())
    }

    /// What stands below the name.
    pub fn does(self, actor: usize) -> String {
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
            Self::CartAsItComes => format!("locks {products}"),
            Self::CartInOrder => format!("holds {products}; locks by id"),
            Self::Payment => "the provider says: paid".to_owned(),
            Self::Sweeper => "gives expired holds back".to_owned(),
        }
    }

    /// What has to be said beside it.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::Buyer(seat) => seat.note(),
            Self::Sweeper => Some(
                "Its first statement turns the clock: the hold’s time is over from here on. In the shop, time does that.",
            ),
            _ => None,
        }
    }

    /// Units that it wants, of each product.
    pub const fn units(self) -> u32 {
        match self {
            Self::Buyer(seat) => seat.units,
            _ => 1,
        }
    }
}
