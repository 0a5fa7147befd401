//! `redis-dual-write`: counts down in Redis, then subtracts from the row, and never compares the
//! two. **Unsafe on purpose.**
//!
//! # Guarantees
//! None. The stock is in two places, and no transaction contains both writes. A purchase that ends
//! between them, because its server crashes or its connection is lost, has taken units in Redis
//! that the row still has: no buyer gets them. It runs only on private lanes, whose row has no
//! stock constraints.
//!
//! # Cost under contention
//! One call to Redis inside of the transaction, and the row's lock for as long as with
//! `blind-decrement`. Once the counter is empty, Redis refuses.
//!
//! # Fails as
//! “Sold out”, with units in the row: undersold, a few more after each crash, and no error in any
//! log. A Redis that has lost its counter begins again with what the row says, which the purchases
//! on their way have not changed yet: oversold. A Redis that is unavailable stops the sale.
//!
//! # Choose it when
//! You want to show why a counter in front of the row needs leases and reconciliation, as
//! `redis-counter` has them.

use std::{sync::LazyLock, time::Duration};

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, ShopError, StrategyKey, product::insufficient},
    redis::{Script, Unavailable},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::{self, Level},
            gate::StockGate,
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// How long a counter is kept.
const KEPT: Duration = Duration::from_secs(3_600);

/// Takes units from the counter of a product, and creates it with the units of the row if there is
/// none. KEYS: counter. ARGV: incarnation, units, units of the row, milliseconds for which a
/// counter is kept. Returns {1, units left}, or {0, units left} if they are too few.
static COUNT_DOWN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SET', KEYS[1], ARGV[3], 'NX', 'PX', ARGV[4])
        local left = tonumber(redis.call('GET', KEYS[1]))
        if left < tonumber(ARGV[2]) then
          return {0, left}
        end
        return {1, redis.call('DECRBY', KEYS[1], ARGV[2])}",
    )
});

/// See the module's documentation.
pub struct RedisDualWrite;

#[async_trait]
impl PurchaseStrategy for RedisDualWrite {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::RedisDualWrite;
        let Some(gate) = shop.gate() else {
            return Outcome::refused(strategy.needs_redis());
        };
        purchase_transaction::run_with(shop, strategy, request, gate.clone(), |work, sale, gate| {
            Box::pin(take(work, sale, gate))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale, gate: &StockGate) -> Result<Option<Level>, Abort> {
    let read = sale.read_and_compare(work).await?;
    count_down(gate, sale, read.available).await?;
    // A purchase that ends here has taken the units in Redis only.
    sale.injection_point.run(work).await?;
    counters::subtract_unchecked(work, sale.offer.id, sale.quantity)
        .await
        .map_err(Abort::from)
}

async fn count_down(gate: &StockGate, sale: &Sale, in_row: i64) -> Result<(), ShopError> {
    let keys = gate.keys().of_counter(sale.offer.id);
    let arguments = [
        sale.units().to_string(),
        in_row.to_string(),
        KEPT.as_millis().to_string(),
    ];
    let answer: Result<(i64, i64), Unavailable> =
        gate.redis().run(&COUNT_DOWN, &keys, &arguments).await;
    match answer {
        Ok((1, _)) => Ok(()),
        Ok((_, left)) => Err(insufficient(&sale.offer.name, left, sale.quantity)),
        Err(_) => Err(ShopError::Busy { retry_after_s: 1 }),
    }
}
