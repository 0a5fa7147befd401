//! Writes the orders of a batch with one insert for each table, whatever their number.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{BatchSale, TakenRow};
use crate::{
    db::{
        dialect, engine,
        entity::{customer_order, idempotency_key, order_line},
        txn::{Abort, Work},
    },
    model::bill::TAX_BASIS_POINTS,
    shop::{
        inventory::counters::{self, CounterDelta},
        ledger::{self, Movement, MovementKind},
    },
};

/// Writes the orders and takes their units from the rows, which are locked.
///
/// # Errors
/// [`Abort::Conflict`] if another purchase has claimed one of the keys.
pub(super) async fn write(work: &Work, sales: &[BatchSale]) -> Result<Vec<TakenRow>, Abort> {
    claim_keys(work, sales).await?;
    let ids = insert_orders(work, sales).await?;
    insert_lines(work, sales, &ids).await?;
    take(work, sales).await
}

async fn claim_keys(work: &Work, sales: &[BatchSale]) -> Result<(), Abort> {
    let mut rows = Vec::with_capacity(sales.len());
    for sale in sales {
        let Some(claim) = &sale.order.request.claim else {
            continue;
        };
        let response = serde_json::to_string(&sale.receipt())
            .map_err(|error| DbErr::Json(error.to_string()))?;
        rows.push(idempotency_key::ActiveModel {
            key: Set(claim.key().to_owned()),
            fingerprint: Set(claim.fingerprint().to_owned()),
            response: Set(Some(response)),
            ..Default::default()
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = idempotency_key::Entity::insert_many(rows);
    match insert.exec_without_returning(work.connection()).await {
        Err(error) if engine::is_unique_violation(&error) => Err(Abort::Conflict),
        result => Ok(result.map(drop)?),
    }
}

/// Returns the ids of the orders, by their public ids.
async fn insert_orders(work: &Work, sales: &[BatchSale]) -> Result<HashMap<Uuid, i64>, DbErr> {
    let rows = sales.iter().map(|sale| customer_order::ActiveModel {
        public_id: Set(sale.order.public_id),
        status: Set("placed".to_owned()),
        settlement: Set("on_account".to_owned()),
        currency: Set(sale.bill.total.currency.code().to_owned()),
        subtotal_cents: Set(sale.bill.total.cents),
        total_cents: Set(sale.bill.total.cents),
        due_cents: Set(sale.bill.total.cents),
        tax_basis_points: Set(TAX_BASIS_POINTS),
        tax_cents: Set(sale.bill.tax.cents),
        lane_id: Set(sale.order.request.lane_id.or(sale.offer.lane_id)),
        ..Default::default()
    });
    customer_order::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await?;
    let public_ids = sales.iter().map(|sale| sale.order.public_id).collect();
    let ids: Vec<(Uuid, i64)> = customer_order::Entity::find()
        .select_only()
        .column(customer_order::Column::PublicId)
        .column(customer_order::Column::Id)
        .filter(dialect::uuid_in(
            customer_order::Column::PublicId,
            public_ids,
        ))
        .into_tuple()
        .all(work.connection())
        .await?;
    Ok(ids.into_iter().collect())
}

async fn insert_lines(
    work: &Work,
    sales: &[BatchSale],
    ids: &HashMap<Uuid, i64>,
) -> Result<(), Abort> {
    let (mut lines, mut movements) = (Vec::new(), Vec::new());
    for sale in sales {
        let order_id = *ids.get(&sale.order.public_id).ok_or(Abort::Conflict)?;
        let quantity = sale.order.request.quantity.get();
        lines.push(order_line::ActiveModel {
            order_id: Set(order_id),
            product_id: Set(sale.offer.id),
            product_name: Set(sale.offer.name.clone()),
            unit_price_cents: Set(sale.offer.price.cents),
            quantity: Set(quantity.cast_signed()),
            ..Default::default()
        });
        movements.push(Movement {
            order_id: Some(order_id),
            ..Movement::of(sale.offer.id, MovementKind::Sell, quantity.into())
        });
    }
    order_line::Entity::insert_many(lines)
        .exec_without_returning(work.connection())
        .await?;
    Ok(ledger::append(work, &movements).await?)
}

/// Takes the units of each product, in id order.
async fn take(work: &Work, sales: &[BatchSale]) -> Result<Vec<TakenRow>, Abort> {
    let mut wanted: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for sale in sales {
        let (units, orders) = wanted.entry(sale.offer.id).or_default();
        *units += i64::from(sale.order.request.quantity.get());
        *orders += 1;
    }
    let mut taken = Vec::with_capacity(wanted.len());
    for (product_id, (units, orders)) in wanted {
        let delta = CounterDelta {
            available: -units,
            sold: units,
            ..CounterDelta::default()
        };
        let level = counters::apply(work, product_id, delta).await?;
        let level = level.ok_or(Abort::Conflict)?;
        taken.push(TakenRow {
            product_id,
            available: level.available,
            version: level.version,
            orders,
        });
    }
    Ok(taken)
}
