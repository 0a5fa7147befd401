//! A product's sale as an open page follows it, and its line in the stream `/live/stock`.

use serde::{Deserialize, Serialize};

use super::{CartRoom, CartUnits, Product, SalePlan, SaleState, SellOut, StockCounts};

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSale {
    pub product_id: i64,
    pub plan: SalePlan,
    /// Units that can be bought. Not part of the line: the stream sends it in events of its own.
    pub available: i64,
    /// Units ever added to stock.
    pub total: i64,
    /// True if no unit is available and none is reserved.
    pub is_sold_out: bool,
    /// How the current sale sold out, if it is sold out and that is known.
    pub sell_out: Option<SellOut>,
    /// The maximum units for one customer.
    pub limit: Option<u32>,
    /// The formatted price of a unit.
    pub price: String,
    /// The formatted price before the sale.
    pub compare_at: Option<String>,
}

impl LiveSale {
    /// Creates the sale of `product`, as it was read.
    pub fn of(product: &Product) -> Self {
        Self {
            product_id: product.id,
            plan: product.plan,
            available: product.available,
            total: product.total,
            is_sold_out: product.available <= 0 && product.reserved <= 0,
            sell_out: product.sell_out,
            limit: product.per_customer_limit,
            price: product.price.to_string(),
            compare_at: product.compare_at.map(|price| price.to_string()),
        }
    }

    /// Returns the state at `now_ms`, a time of the database's clock.
    ///
    /// Pages know the available units before they know whether the others are reserved or sold.
    /// Until then, the others count as reserved: a sold-out sale is announced only once it is one.
    pub fn state_at(&self, now_ms: i64) -> SaleState {
        self.plan.state_at(
            now_ms,
            StockCounts {
                available: self.available,
                reserved: i64::from(!self.is_sold_out),
                sold: 0,
                total: self.total,
            },
        )
    }

    /// The room for the product in a cart that contains `own`.
    pub fn room_beside(&self, own: CartUnits) -> CartRoom {
        let left = self.available.saturating_add(own.held);
        CartRoom::new(left, self.limit, own.in_cart)
    }

    /// Encodes the sale as one line of eight fields, separated by semicolons: product, start, end,
    /// total, sold out (empty, `units/milliseconds`, or `-` if they are not known), limit, price,
    /// price before.
    pub fn encode(&self) -> String {
        let optional = |number: Option<i64>| number.map_or_else(String::new, |n| n.to_string());
        let sold_out = match (self.is_sold_out, self.sell_out) {
            (false, _) => String::new(),
            (true, None) => "-".to_owned(),
            (true, Some(SellOut { units, took_ms })) => format!("{units}/{took_ms}"),
        };
        [
            self.product_id.to_string(),
            optional(self.plan.starts_at_ms),
            optional(self.plan.ends_at_ms),
            self.total.to_string(),
            sold_out,
            optional(self.limit.map(i64::from)),
            self.price.clone(),
            self.compare_at.clone().unwrap_or_default(),
        ]
        .join(";")
    }

    /// Decodes a line; `None` if it is malformed. The result has no available units.
    pub fn decode(line: &str) -> Option<Self> {
        let mut fields = line.split(';');
        let mut next = || fields.next();
        let product_id = next()?.parse().ok()?;
        let plan = SalePlan {
            starts_at_ms: optional(next()?)?,
            ends_at_ms: optional(next()?)?,
        };
        let total = next()?.parse().ok()?;
        let sold_out = next()?;
        let sell_out = match sold_out {
            "" | "-" => None,
            text => {
                let (units, took_ms) = text.split_once('/')?;
                Some(SellOut {
                    units: units.parse().ok()?,
                    took_ms: took_ms.parse().ok()?,
                })
            }
        };
        let limit = optional(next()?)?;
        let price = next()?.to_owned();
        let compare_at = Some(next()?.to_owned()).filter(|price| !price.is_empty());
        Some(Self {
            product_id,
            plan,
            available: 0,
            total,
            is_sold_out: !sold_out.is_empty(),
            sell_out,
            limit: limit.and_then(|limit| u32::try_from(limit).ok()),
            price,
            compare_at,
        })
    }
}

/// Parses a number that may be missing; `None` if the text is no number.
fn optional(text: &str) -> Option<Option<i64>> {
    match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale() -> LiveSale {
        LiveSale {
            product_id: 7,
            plan: SalePlan {
                starts_at_ms: Some(1_000),
                ends_at_ms: None,
            },
            available: 0,
            total: 20,
            is_sold_out: true,
            sell_out: Some(SellOut {
                units: 20,
                took_ms: 41_000,
            }),
            limit: Some(2),
            price: "€1,299.00".to_owned(),
            compare_at: None,
        }
    }

    #[test]
    fn a_line_has_every_field_but_the_available_units() {
        let sale = sale();
        assert_eq!(sale.encode(), "7;1000;;20;20/41000;2;€1,299.00;");
        let others = [
            LiveSale {
                sell_out: None,
                ..sale.clone()
            },
            LiveSale {
                is_sold_out: false,
                sell_out: None,
                limit: None,
                compare_at: Some("€1,499.00".to_owned()),
                plan: SalePlan {
                    starts_at_ms: None,
                    ends_at_ms: Some(-5),
                },
                ..sale.clone()
            },
            sale,
        ];
        for sale in others {
            assert_eq!(LiveSale::decode(&sale.encode()), Some(sale));
        }
    }

    #[test]
    fn a_malformed_line_is_no_sale() {
        for line in [
            "",
            "7",
            "x;;;20;;;€1;",
            "7;soon;;20;;;€1;",
            "7;;;20;;;€1",
            "7;;;20;41000;;€1;",
            "7;;;20;20/soon;;€1;",
        ] {
            assert_eq!(LiveSale::decode(line), None, "{line:?}");
        }
    }

    #[test]
    fn what_the_cart_has_reserved_is_left_for_it() {
        let sale = LiveSale {
            available: 3,
            limit: None,
            ..sale()
        };
        for (in_cart, held, most, more) in [(0, 0, 3, 3), (1, 0, 3, 2), (2, 2, 5, 3), (4, 0, 3, 0)]
        {
            let room = sale.room_beside(CartUnits { in_cart, held });
            assert_eq!((room.most, room.more()), (most, more), "{in_cart} {held}");
        }
    }

    #[test]
    fn it_is_sold_out_only_when_nothing_is_reserved() {
        let sold_out = sale();
        let reserved = LiveSale {
            is_sold_out: false,
            ..sold_out.clone()
        };
        let open = LiveSale {
            available: 3,
            ..sold_out.clone()
        };
        assert_eq!(sold_out.state_at(999), SaleState::Announced);
        assert_eq!(sold_out.state_at(1_000), SaleState::SoldOut);
        assert_eq!(reserved.state_at(1_000), SaleState::ReservedOut);
        assert_eq!(open.state_at(1_000), SaleState::Open);
    }
}
