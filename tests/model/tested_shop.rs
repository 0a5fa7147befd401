//! Performs each step on the real shop, with a real database.

use std::sync::Arc;

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{OrderStatus, ShopError, StrategyKey},
    shop::{
        Shop, checkout::OrderRequest, discounts::NewCode, inventory::PurchaseRequest,
        refunds::OrderAction,
    },
};
use uuid::Uuid;

use super::{
    action::{Action, Card},
    model_state::{CARTS, CODE_RULES, LIMITS, ModelState, PRICES},
    provider::Provider,
};
use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator,
    shop::{card, units_of, unkeyed},
};

/// The products, codes and carts of one sequence in the database.
pub struct TestedShop<'a> {
    on: &'a TestShop,
    shop: Shop,
    provider: Arc<Provider>,
    number: u64,
    products: Vec<TestProduct>,
    carts: [Uuid; CARTS],
    orders: Vec<TrackedOrder>,
    /// Whether it ignores received stock, so that the model must detect the difference.
    ignores_receipts: bool,
}

/// The ids that a step needs of an order.
struct TrackedOrder {
    id: i64,
    public_id: String,
    /// The payment reference; nil for an express purchase.
    reference: Uuid,
    lines: Vec<i64>,
}

type StepResult = Result<(), ShopError>;

impl<'a> TestedShop<'a> {
    pub async fn create(on: &'a TestShop, number: u64, state: &ModelState) -> Self {
        let provider = Arc::new(Provider::default());
        let terms = ShopTerms {
            paid_without_stock: match state.backorders {
                true => PaidWithoutStock::Backorder,
                false => PaidWithoutStock::Refund,
            },
            strategy: match state.by_row_lock {
                true => StrategyKey::RowLock,
                false => StrategyKey::ConditionalUpdate,
            },
            ..ShopTerms::default()
        };
        let mut tested = Self {
            on,
            shop: on.on_terms(terms).with_gateway(provider.clone()),
            provider,
            number,
            products: Vec::new(),
            carts: std::array::from_fn(|_| Uuid::now_v7()),
            orders: Vec::new(),
            ignores_receipts: false,
        };
        tested.fill(state).await;
        tested
    }

    /// Makes the shop ignore received stock, a defect that the model must detect.
    pub fn ignoring_receipts(self) -> Self {
        Self {
            ignores_receipts: true,
            ..self
        }
    }

    async fn fill(&mut self, state: &ModelState) {
        for (index, row) in state.products.iter().enumerate() {
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
            self.shop
                .discount_administration(&administrator())
                .create(code, None)
                .await
                .expect("it is made");
        }
    }

    fn code(&self, index: usize) -> String {
        format!("CODE-{}-{index}", self.number)
    }

    /// Performs a step. Returns `Ok`, or the name of the error.
    pub async fn perform(&mut self, action: &Action) -> String {
        let result = match *action {
            Action::Receive { .. } if self.ignores_receipts => Ok(()),
            Action::Webhook { order, refund } => match self.receive_webhook(order, refund).await {
                Some(result) => result,
                None => return "no webhook".to_owned(),
            },
            Action::Pay {
                cart,
                card,
                code,
                customer,
            } => self.pay(cart, card, code, customer).await,
            Action::Express { product, units } => self.express(product, units).await,
            Action::SlowChargeSettles { order } => {
                self.provider.end_slow(self.orders[order].reference);
                Ok(())
            }
            Action::QueryProvider { order, late } => self.query_provider(order, late).await,
            Action::CartHoldsExpire { cart } => {
                self.expire_holds(&format!(
                    "cart_id = '{}' AND order_id IS NULL",
                    self.carts[cart]
                ))
                .await
            }
            Action::OrderHoldsExpire { order } => {
                self.expire_holds(&format!("order_id = {}", self.orders[order].id))
                    .await
            }
            _ => self.perform_simple(action).await,
        };
        self.load_new_orders().await;
        match result {
            Ok(()) => "Ok".to_owned(),
            Err(refusal) => name_of(&refusal),
        }
    }

    async fn perform_simple(&self, action: &Action) -> StepResult {
        let (shop, carts) = (&self.shop, &self.carts);
        let product = |index: usize| self.products[index].id;
        match *action {
            Action::Add {
                cart,
                product: index,
                units,
            } => {
                let added =
                    shop.carts()
                        .add(Some(carts[cart]), product(index), units_of(units), None);
                added.await.map(drop)
            }
            Action::Set {
                cart,
                product: index,
                units,
            } => {
                shop.carts()
                    .set_quantity(unkeyed(carts[cart]), product(index), units_of(units))
                    .await
            }
            Action::Remove {
                cart,
                product: index,
            } => {
                shop.carts()
                    .remove(unkeyed(carts[cart]), product(index))
                    .await
            }
            Action::Reserve { cart } => Ok(shop
                .reservations()
                .reserve(carts[cart], None)
                .await
                .result?),
            Action::Extend { cart } => shop.reservations().extend(carts[cart], None).await,
            Action::Sweep => Ok(shop.reservations().sweep_expired().await.map(drop)?),
            Action::Receive {
                product: index,
                units,
            } => {
                shop.stock_administration(&administrator())
                    .receive(product(index), units_of(units), None)
                    .await
            }
            Action::Count {
                product: index,
                units,
            } => {
                shop.stock_administration(&administrator())
                    .record_count(product(index), units, "counted", None)
                    .await
            }
            Action::FulfillBackorders => Ok(shop.backorders().fulfill(PATIENCE).await.map(drop)?),
            Action::Cancel { order } => self.apply_order_action(order, OrderAction::Cancel).await,
            Action::RefundAll { order } => {
                self.apply_order_action(order, OrderAction::RefundAll).await
            }
            Action::RefundLine { order, line, units } => {
                let (line_id, quantity) = (self.line(order, line), units_of(units));
                self.apply_order_action(order, OrderAction::RefundLine { line_id, quantity })
                    .await
            }
            Action::ReturnLine { order, line, units } => {
                let (line_id, quantity) = (self.line(order, line), units_of(units));
                self.apply_order_action(order, OrderAction::ReturnLine { line_id, quantity })
                    .await
            }
            _ => unreachable!("{action:?} is done elsewhere"),
        }
    }

    fn line(&self, order: usize, line: usize) -> i64 {
        self.orders[order].lines.get(line).copied().unwrap_or(-1)
    }

    async fn apply_order_action(&self, order: usize, action: OrderAction) -> StepResult {
        self.shop
            .order_administration(&administrator())
            .apply(&self.orders[order].public_id, action, None)
            .await
    }

    /// Pays for a cart. A shopper who gets no response closes the page.
    async fn pay(
        &self,
        cart: usize,
        kind: Card,
        code: Option<usize>,
        customer: usize,
    ) -> StepResult {
        let request = OrderRequest {
            code: code.map(|code| self.code(code)),
            ..self.on.checkout(
                self.carts[cart],
                &format!("customer-{}-{customer}@example.com", self.number),
            )
        };
        let (shop, card) = (self.shop.clone(), card(kind.number()));
        let mut paying =
            tokio::spawn(async move { shop.payments().pay(request, card).await.result });
        tokio::select! {
            answer = &mut paying => match answer.expect("no panic") {
                Ok(answer) if kind.is_answered() => {
                    assert_ne!(answer.status, OrderStatus::Pending);
                    Ok(())
                }
                Ok(answer) => panic!("the outcome cannot be known: {answer:?}"),
                // The model counts these as orders too.
                Err(error) => match ShopError::from(error) {
                    ShopError::CardDeclined { .. } if kind == Card::Declined => Ok(()),
                    ShopError::ProviderUnavailable { .. } if kind == Card::ProviderUnavailable => Ok(()),
                    error => Err(error),
                },
            },
            () = self.provider.unanswered.notified() => {
                paying.abort();
                Ok(())
            }
        }
    }

    async fn express(&self, product: usize, units: u32) -> StepResult {
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

    async fn receive_webhook(&self, order: usize, refund: Option<usize>) -> Option<StepResult> {
        let event = self.provider.event(self.orders[order].reference, refund)?;
        Some(
            self.shop
                .payments()
                .process_webhook_event(event)
                .await
                .map_err(ShopError::from),
        )
    }

    /// Lets the shop query the provider about this order, and about no other.
    async fn query_provider(&self, order: usize, late: bool) -> StepResult {
        let TrackedOrder { id, reference, .. } = self.orders[order];
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
        self.provider.allow_query_about(Some(reference));
        let result = self.shop.payments().resolve_unknown_outcomes().await;
        self.provider.allow_query_about(None);
        Ok(result?)
    }

    async fn expire_holds(&self, whose: &str) -> StepResult {
        let sql = format!(
            "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE state = 'held' AND {whose}"
        );
        self.on.by_hand.run(&sql).await;
        Ok(())
    }

    async fn load_new_orders(&mut self) {
        let last = self.orders.last().map_or(0, |order| order.id);
        let sql = format!(
            "SELECT coalesce(string_agg(concat_ws(' ', o.id, o.public_id::text, coalesce(p.reference::text, 'none'), l.ids), ',' ORDER BY o.id), '') \
             FROM customer_order o LEFT JOIN payment p ON p.order_id = o.id \
             JOIN (SELECT order_id, string_agg(id::text, ' ' ORDER BY id) AS ids, min(product_id) AS product \
                   FROM order_line WHERE order_id > {last} GROUP BY order_id) l ON l.order_id = o.id \
             WHERE o.id > {last} AND l.product >= {first}",
            first = self.products[0].id,
        );
        let rows: String = self.on.by_hand.value(&sql).await;
        for row in rows.split(',').filter(|row| !row.is_empty()) {
            let mut words = row.split(' ');
            let mut word = || words.next().expect("a word");
            self.orders.push(TrackedOrder {
                id: word().parse().expect("a number"),
                public_id: word().to_owned(),
                reference: word().parse().unwrap_or(Uuid::nil()),
                lines: words.map(|id| id.parse().expect("a number")).collect(),
            });
        }
    }

    /// Builds the same text as [`ModelState::summary`] from the tables.
    pub async fn summary(&self) -> String {
        let first = self.products[0].id;
        let last = self.products[self.products.len() - 1].id;
        let units = self.carts.map(|cart| {
            format!(
                "SELECT string_agg(quantity::text, ' ' ORDER BY product_id) FROM cart_item WHERE cart_id = '{cart}'"
            )
        });
        let carts = units.map(|units| format!("'cart ' || coalesce(({units}), '') || '\n'"));
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
            "SELECT (SELECT string_agg('product ' || total || ' = ' || available || ' + ' || reserved || ' + ' || sold || '\n',
                                       '' ORDER BY product_id)
                     FROM stock WHERE product_id BETWEEN {first} AND {last})
                 || (SELECT string_agg('code ' || uses || '\n', '' ORDER BY code) FROM discount_code WHERE code LIKE 'CODE-{number}-%')
                 || {carts}
                 || coalesce((SELECT string_agg('order ' || o.status || ' ' || o.due_cents || '/' || o.total_cents
                              || ' taken ' || coalesce((SELECT sum(captured_cents) FROM payment p WHERE p.order_id = o.id), 0)
                              || ' back ' || coalesce((SELECT sum(amount_cents) FROM refund r WHERE r.order_id = o.id AND state = 'succeeded'), 0)
                              || '/' || coalesce((SELECT sum(amount_cents) FROM refund r WHERE r.order_id = o.id), 0)
                              || ' lines ' || (SELECT string_agg(concat_ws('-', quantity, returned_quantity, refunded_quantity), ' ' ORDER BY id)
                                               FROM order_line l WHERE l.order_id = o.id) || '\n', '' ORDER BY o.id)
                     FROM customer_order o WHERE o.id IN ({orders})), '')",
            carts = carts.join(" || "),
            number = self.number,
        );
        self.on.by_hand.value(&sql).await
    }

    /// Returns the same amounts as [`ModelState::provider_amounts`], from the provider.
    pub fn provider_amounts(&self) -> Vec<(i64, i64)> {
        self.orders
            .iter()
            .map(|order| self.provider.cents(order.reference))
            .collect()
    }

    /// Reads the carts like their pages.
    pub async fn check_carts(&self) {
        for cart in self.carts {
            let view = self
                .shop
                .carts()
                .view(Some(cart))
                .await
                .expect("the cart is read");
            let held: i64 = view.lines.iter().map(|line| line.held).sum();
            assert_eq!(held > 0, view.reservation.is_some(), "{view:?}");
        }
    }
}

fn name_of(refusal: &ShopError) -> String {
    let result = format!("{refusal:?}");
    let name = result.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}
