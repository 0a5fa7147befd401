//! The shop itself, on a real database, and each step done to it.

use std::sync::Arc;

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{OrderStatus, ShopError, StrategyKey},
    shop::{
        Shop, checkout::OrderRequest, discounts::NewCode, inventory::PurchaseRequest,
        refunds::OrderAct,
    },
};
use uuid::Uuid;

use super::{
    act::{Act, Card},
    provider::Provider,
    world::{CARTS, CODE_RULES, LIMITS, PRICES, World},
};
use crate::support::{
    TestProduct, TestShop,
    shop::{card, units_of, unkeyed},
};

/// One sequence's part of the database: products, codes and carts of its own.
pub struct Stage<'a> {
    on: &'a TestShop,
    shop: Shop,
    provider: Arc<Provider>,
    number: u64,
    products: Vec<TestProduct>,
    carts: [Uuid; CARTS],
    orders: Vec<Known>,
    /// Whether it lets units come in and takes no note of them.
    is_forgetful: bool,
}

/// What a step needs to know of an order.
struct Known {
    id: i64,
    public_id: String,
    /// Nil for an express purchase.
    reference: Uuid,
    lines: Vec<i64>,
}

type Said = Result<(), ShopError>;

impl<'a> Stage<'a> {
    pub async fn set(on: &'a TestShop, number: u64, world: &World) -> Self {
        let provider = Arc::new(Provider::default());
        let terms = ShopTerms {
            paid_without_stock: match world.backorders {
                true => PaidWithoutStock::Backorder,
                false => PaidWithoutStock::Refund,
            },
            strategy: match world.by_row_lock {
                true => StrategyKey::RowLock,
                false => StrategyKey::ConditionalUpdate,
            },
            ..ShopTerms::default()
        };
        let mut stage = Self {
            on,
            shop: on.on_terms(terms).with_gateway(provider.clone()),
            provider,
            number,
            products: Vec::new(),
            carts: std::array::from_fn(|_| Uuid::now_v7()),
            orders: Vec::new(),
            is_forgetful: false,
        };
        stage.fill(world).await;
        stage
    }

    /// A shop that the model must find out.
    pub fn forgetful(self) -> Self {
        Self {
            is_forgetful: true,
            ..self
        }
    }

    async fn fill(&mut self, world: &World) {
        for (index, row) in world.products.iter().enumerate() {
            let product = self
                .on
                .product()
                .stock(row.total)
                .price_cents(PRICES[index]);
            let product = match LIMITS[index] {
                Some(limit) => product.limit(u32::try_from(limit).expect("small")),
                None => product,
            };
            self.products.push(product.create().await);
        }
        for (index, rules) in CODE_RULES.iter().enumerate() {
            let unsigned = |number: i64| u32::try_from(number).expect("small");
            let code = NewCode {
                code: self.code(index),
                value: rules.value,
                min_subtotal_cents: rules.minimum,
                starts_at: None,
                ends_at: None,
                uses_max: unsigned(rules.uses_max),
                per_customer_limit: rules.per_customer.map(unsigned),
            };
            self.shop.create_code(code, None).await.expect("it is made");
        }
    }

    fn code(&self, index: usize) -> String {
        format!("CODE-{}-{index}", self.number)
    }

    /// Does it, and says what came of it.
    pub async fn perform(&mut self, act: &Act) -> String {
        let said = match *act {
            Act::Receive { .. } if self.is_forgetful => Ok(()),
            Act::Webhook { order, refund } => match self.hear(order, refund).await {
                Some(said) => said,
                None => return "nothing to tell".to_owned(),
            },
            Act::Pay {
                cart,
                card,
                code,
                customer,
            } => self.pay(cart, card, code, customer).await,
            Act::Express { product, units } => self.express(product, units).await,
            Act::SlowEnds { order } => {
                self.provider.end_slow(self.orders[order].reference);
                Ok(())
            }
            Act::Ask { order, late } => self.ask(order, late).await,
            Act::CartRunsOut { cart } => {
                self.run_out(&format!(
                    "cart_id = '{}' AND order_id IS NULL",
                    self.carts[cart]
                ))
                .await
            }
            Act::OrderRunsOut { order } => {
                self.run_out(&format!("order_id = {}", self.orders[order].id))
                    .await
            }
            _ => self.perform_plainly(act).await,
        };
        self.meet_new_orders().await;
        match said {
            Ok(()) => "Ok".to_owned(),
            Err(refusal) => name_of(&refusal),
        }
    }

    async fn perform_plainly(&self, act: &Act) -> Said {
        let (shop, carts) = (&self.shop, &self.carts);
        let product = |index: usize| self.products[index].id;
        match *act {
            Act::Add {
                cart,
                product: index,
                units,
            } => {
                let added =
                    shop.add_to_cart(Some(carts[cart]), product(index), units_of(units), None);
                added.await.map(drop)
            }
            Act::Set {
                cart,
                product: index,
                units,
            } => {
                shop.set_cart_quantity(unkeyed(carts[cart]), product(index), units_of(units))
                    .await
            }
            Act::Remove {
                cart,
                product: index,
            } => {
                shop.remove_from_cart(unkeyed(carts[cart]), product(index))
                    .await
            }
            Act::Reserve { cart } => Ok(shop.reserve_cart(carts[cart], None).await.result?),
            Act::Extend { cart } => shop.extend_reservation(carts[cart], None).await,
            Act::Sweep => Ok(shop.sweep_expired_holds().await.map(drop)?),
            Act::Receive {
                product: index,
                units,
            } => {
                shop.receive_stock(product(index), units_of(units), None)
                    .await
            }
            Act::Count {
                product: index,
                units,
            } => {
                shop.take_stock(product(index), units, "counted", None)
                    .await
            }
            Act::ServeBackorders => Ok(shop.serve_backorders().await.map(drop)?),
            Act::Cancel { order } => self.act(order, OrderAct::Cancel).await,
            Act::RefundAll { order } => self.act(order, OrderAct::RefundAll).await,
            Act::RefundLine { order, line, units } => {
                let (line_id, quantity) = (self.line(order, line), units_of(units));
                self.act(order, OrderAct::RefundLine { line_id, quantity })
                    .await
            }
            Act::TakeBack { order, line, units } => {
                let (line_id, quantity) = (self.line(order, line), units_of(units));
                self.act(order, OrderAct::TakeBack { line_id, quantity })
                    .await
            }
            _ => unreachable!("{act:?} is done elsewhere"),
        }
    }

    fn line(&self, order: usize, line: usize) -> i64 {
        self.orders[order].lines.get(line).copied().unwrap_or(-1)
    }

    async fn act(&self, order: usize, act: OrderAct) -> Said {
        self.shop
            .act_on_order(&self.orders[order].public_id, act, None)
            .await
    }

    /// Whoever is not told how it went closes the page.
    async fn pay(&self, cart: usize, kind: Card, code: Option<usize>, customer: usize) -> Said {
        let request = OrderRequest {
            code: code.map(|code| self.code(code)),
            ..self.on.checkout(
                self.carts[cart],
                &format!("customer-{}-{customer}@example.com", self.number),
            )
        };
        let (shop, card) = (self.shop.clone(), card(kind.number()));
        let mut paying = tokio::spawn(async move { shop.pay(request, card).await.result });
        tokio::select! {
            answer = &mut paying => match answer.expect("no panic") {
                Ok(answer) if kind.is_answered() => {
                    assert_ne!(answer.status, OrderStatus::Pending);
                    Ok(())
                }
                Ok(answer) => panic!("nobody could know: {answer:?}"),
                // The model counts them as orders.
                Err(error) => match ShopError::from(error) {
                    ShopError::CardDeclined { .. } if kind == Card::Declined => Ok(()),
                    ShopError::ProviderAway { .. } if kind == Card::ProviderAway => Ok(()),
                    error => Err(error),
                },
            },
            () = self.provider.unanswered.notified() => {
                paying.abort();
                Ok(())
            }
        }
    }

    async fn express(&self, product: usize, units: u32) -> Said {
        let request = PurchaseRequest {
            product_id: self.products[product].id,
            quantity: units_of(units),
            claim: None,
            lane_id: None,
        };
        let strategy = self.shop.terms().strategy;
        Ok(self
            .shop
            .purchase(strategy, request)
            .await
            .result
            .map(drop)?)
    }

    async fn hear(&self, order: usize, refund: Option<usize>) -> Option<Said> {
        let event = self.provider.event(self.orders[order].reference, refund)?;
        Some(self.shop.take_in(event).await.map_err(ShopError::from))
    }

    /// Has the time come to ask about this order, and about no other.
    async fn ask(&self, order: usize, late: bool) -> Said {
        let Known { id, reference, .. } = self.orders[order];
        let created = if late {
            "CURRENT_TIMESTAMP - INTERVAL '1 minute'"
        } else {
            "created_at"
        };
        for table in ["payment", "refund"] {
            self.on
                .by_hand
                .run(&format!(
                    "UPDATE {table} SET ask_at = CASE order_id WHEN {id} THEN CURRENT_TIMESTAMP ELSE CURRENT_TIMESTAMP + INTERVAL '1 day' END, \
                     created_at = CASE order_id WHEN {id} THEN {created} ELSE created_at END WHERE state = 'pending'"
                ))
                .await;
        }
        self.provider.may_be_asked_about(Some(reference));
        let asked = self.shop.resolve_unknown().await;
        self.provider.may_be_asked_about(None);
        Ok(asked?)
    }

    async fn run_out(&self, whose: &str) -> Said {
        let sql = format!(
            "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE state = 'held' AND {whose}"
        );
        self.on.by_hand.run(&sql).await;
        Ok(())
    }

    async fn meet_new_orders(&mut self) {
        let last = self.orders.last().map_or(0, |order| order.id);
        let sql = format!(
            "SELECT coalesce(string_agg(concat_ws(' ', o.id, o.public_id, coalesce(p.reference, '{nil}'), l.ids), ',' ORDER BY o.id), '') \
             FROM customer_order o LEFT JOIN payment p ON p.order_id = o.id \
             JOIN (SELECT order_id, string_agg(id::text, ' ' ORDER BY id) AS ids, min(product_id) AS product \
                   FROM order_line WHERE order_id > {last} GROUP BY order_id) l ON l.order_id = o.id \
             WHERE o.id > {last} AND l.product >= {first}",
            nil = Uuid::nil(),
            first = self.products[0].id,
        );
        let rows: String = self.on.by_hand.value(&sql).await;
        for row in rows.split(',').filter(|row| !row.is_empty()) {
            let mut words = row.split(' ');
            let mut word = || words.next().expect("a word");
            self.orders.push(Known {
                id: word().parse().expect("a number"),
                public_id: word().to_owned(),
                reference: word().parse().expect("a reference"),
                lines: words.map(|id| id.parse().expect("a number")).collect(),
            });
        }
    }

    /// As [`World::told`], from the tables.
    pub async fn told(&self) -> String {
        let first = self.products[0].id;
        let last = self.products[self.products.len() - 1].id;
        let carts = self.carts.map(|cart| format!("'{cart}'")).join(", ");
        let orders: Vec<String> = self
            .orders
            .iter()
            .map(|order| order.id.to_string())
            .collect();
        let orders = if orders.is_empty() {
            "0".to_owned()
        } else {
            orders.join(", ")
        };
        let sql = format!(
            "SELECT (SELECT string_agg(format(E'product %s = %s + %s + %s\\n', total, available, reserved, sold), '' ORDER BY product_id)
                     FROM stock WHERE product_id BETWEEN {first} AND {last})
                 || (SELECT string_agg(format(E'code %s\\n', uses), '' ORDER BY code) FROM discount_code WHERE code LIKE 'CODE-{number}-%')
                 || (SELECT string_agg(format(E'cart %s\\n', coalesce(i.units, '')), '' ORDER BY c.at)
                     FROM unnest(ARRAY[{carts}]::uuid[]) WITH ORDINALITY c (id, at)
                     LEFT JOIN (SELECT cart_id, string_agg(quantity::text, ' ' ORDER BY product_id) AS units FROM cart_item GROUP BY cart_id) i
                       ON i.cart_id = c.id)
                 || coalesce((SELECT string_agg(format(E'order %s %s/%s taken %s back %s/%s lines %s\\n', o.status, o.due_cents, o.total_cents,
                              coalesce((SELECT sum(captured_cents) FROM payment p WHERE p.order_id = o.id), 0),
                              coalesce((SELECT sum(amount_cents) FROM refund r WHERE r.order_id = o.id AND state = 'succeeded'), 0),
                              coalesce((SELECT sum(amount_cents) FROM refund r WHERE r.order_id = o.id), 0),
                              (SELECT string_agg(concat_ws('-', quantity, returned_quantity, refunded_quantity), ' ' ORDER BY id)
                               FROM order_line l WHERE l.order_id = o.id)), '' ORDER BY o.id)
                     FROM customer_order o WHERE o.id IN ({orders})), '')",
            number = self.number,
        );
        self.on.by_hand.value(&sql).await
    }

    /// As [`World::provider_books`].
    pub fn provider_books(&self) -> Vec<(i64, i64)> {
        self.orders
            .iter()
            .map(|order| self.provider.cents(order.reference))
            .collect()
    }

    /// What the carts' pages ask for.
    pub async fn look(&self) {
        for cart in self.carts {
            let view = self.shop.cart(Some(cart)).await.expect("the cart is read");
            let held: i64 = view.lines.iter().map(|line| line.held).sum();
            assert_eq!(held > 0, view.reservation.is_some(), "{view:?}");
        }
    }
}

fn name_of(refusal: &ShopError) -> String {
    let said = format!("{refusal:?}");
    let name = said.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}
