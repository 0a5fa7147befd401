//! A cart and its reservation, as pages show them.

use serde::{Deserialize, Serialize};

use super::{Bill, CartUnits, LiveSale, Money, Product, Quantity, SaleState};

/// The address of the checkout of the cart.
pub const CHECKOUT: &str = "/checkout";
/// The address of the checkout of *Buy now*, which has a cart of its own.
pub const BUY_NOW_CHECKOUT: &str = "/checkout/now";

/// One product in a cart, with its current price and stock, not those of when it was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    pub product: Product,
    pub quantity: Quantity,
    /// Unit price times quantity.
    pub amount: Money,
    /// Units reserved for this cart.
    pub held: i64,
    /// The price of a unit when it was reserved; `None` while nothing is reserved.
    pub reserved_price: Option<Money>,
}

/// Why a line cannot be bought as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// The sale starts at this time, in Unix milliseconds.
    NotStarted { starts_at_ms: i64 },
    /// The sale has ended.
    Ended,
    /// The line has more units than one customer may buy.
    OverLimit { limit: u32 },
    /// The stock covers only this many units, zero or more.
    Short { left: u32 },
}

impl LineProblem {
    /// Returns what is wrong with `own` units of a product whose sale is in `state`, if anything
    /// is.
    pub fn of(sale: &LiveSale, state: SaleState, own: CartUnits) -> Option<Self> {
        let left = sale.available.saturating_add(own.held).max(0);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        match state {
            SaleState::Announced => Some(Self::NotStarted {
                starts_at_ms: sale.plan.starts_at_ms.unwrap_or_default(),
            }),
            SaleState::Ended => Some(Self::Ended),
            _ if left < own.in_cart => Some(Self::Short { left }),
            _ => sale
                .limit
                .filter(|limit| own.in_cart > *limit)
                .map(|limit| Self::OverLimit { limit }),
        }
    }
}

impl CartLine {
    /// True if the product can be bought now, as far as its sale is concerned. Other lines are
    /// neither counted nor ordered.
    pub fn is_on_sale(&self) -> bool {
        self.product.state().is_on_sale()
    }

    /// Returns what is wrong with the line, if anything is.
    pub fn problem(&self) -> Option<LineProblem> {
        let sale = LiveSale::of(&self.product);
        LineProblem::of(&sale, self.product.state(), self.units())
    }

    /// The units that the shopper may have, by the stock when it was read and by the limits.
    pub fn most(&self) -> u32 {
        LiveSale::of(&self.product).room_beside(self.units()).most
    }

    /// The units of the line, and how many of them are reserved.
    pub fn units(&self) -> CartUnits {
        CartUnits {
            in_cart: self.quantity.get(),
            held: self.held,
        }
    }

    /// The sentence about a price that has changed since the shopper reserved the product.
    pub fn price_change(&self) -> Option<String> {
        let before = self
            .reserved_price
            .filter(|before| *before != self.product.price)?;
        Some(price_change(&self.product.name, before, self.product.price))
    }
}

/// Says that the price of a reserved product has changed.
pub fn price_change(product: &str, before: Money, now: Money) -> String {
    format!("The price of {product} changed from {before} to {now}.")
}

/// A cart's reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The end's time of day in UTC, to the second, by the database's clock; less than a day away.
    pub ends_at: String,
    /// Seconds left when it was read; above zero.
    pub seconds_left: u32,
    /// The total duration, in seconds.
    pub ttl_s: u32,
    /// True if its only extension has been used.
    pub extended: bool,
}

/// Units that an expired reservation released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedLine {
    pub product_id: i64,
    pub product_name: String,
    pub quantity: i64,
    /// True if it expired because the sale of the product ended.
    pub sale_ended: bool,
}

impl ReleasedLine {
    /// For example `2 × Desk Lamp`.
    pub fn in_words(&self) -> String {
        let ended = if self.sale_ended {
            " (its sale has ended)"
        } else {
            ""
        };
        format!("{} × {}{ended}", self.quantity, self.product_name)
    }
}

/// A cart; empty if the shopper has none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartView {
    /// By product id.
    pub lines: Vec<CartLine>,
    /// Of the lines whose products are on sale.
    pub subtotal: Money,
    /// `None` while nothing is reserved.
    pub reservation: Option<Reservation>,
    /// What the last reservation released when it expired, if nothing has been reserved since.
    pub released: Vec<ReleasedLine>,
}

impl CartView {
    /// The lines that a checkout would order.
    pub fn lines_on_sale(&self) -> impl Iterator<Item = &CartLine> {
        self.lines.iter().filter(|line| line.is_on_sale())
    }

    /// Units over all lines that a checkout would order.
    pub fn unit_count(&self) -> u32 {
        self.lines_on_sale().map(|line| line.quantity.get()).sum()
    }

    /// True if there is a line on sale and nothing is wrong with any of them.
    pub fn can_check_out(&self) -> bool {
        let mut on_sale = self.lines_on_sale().peekable();
        on_sale.peek().is_some() && on_sale.all(|line| line.problem().is_none())
    }

    /// What a checkout would order, as a form carries it: the shop orders nothing else.
    pub fn items(&self) -> String {
        items(
            self.lines_on_sale()
                .map(|line| (line.product.id, line.quantity)),
        )
    }
}

/// Writes products and their quantities as text, such as `1x2,7x1`.
pub fn items(lines: impl Iterator<Item = (i64, Quantity)>) -> String {
    let items: Vec<_> = lines
        .map(|(product_id, quantity)| format!("{product_id}x{quantity}"))
        .collect();
    items.join(",")
}

/// A cart at the checkout, with its bill and discount code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutView {
    pub cart: CartView,
    pub bill: Bill,
    pub code: Option<AppliedCode>,
}

/// A discount code on a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedCode {
    pub code: String,
    /// For example `10 % off`, or why the code cannot be used now.
    pub text: String,
    pub counts: bool,
}
