//! The messages of events. An event about the status of an order gets the order's lines only here:
//! when its trigger runs, the lines of a new order are not written yet. Later they never change.
//! See docs/decisions/0055-events-for-a-warehouse.md.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ClaimedEvent;
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, outbox_event},
    },
    model::OrderStatus,
    shop::{catalog, moment},
};

/// Events with their messages.
#[derive(Debug)]
pub struct Messages {
    pub claimed: Vec<ClaimedEvent>,
    /// Events whose data cannot be read, each with the reason. They have no message.
    pub unreadable: Vec<(outbox_event::Model, String)>,
}

/// Makes the messages of these events, in their order.
pub async fn of<C: ConnectionTrait>(
    connection: &C,
    events: Vec<outbox_event::Model>,
) -> Result<Messages, DbErr> {
    let mut messages = Vec::with_capacity(events.len());
    let mut unreadable = Vec::new();
    for event in events {
        match serde_json::from_str::<Value>(&event.payload) {
            Ok(data) => messages.push((event, data)),
            Err(error) => unreadable.push((event, format!("its data cannot be read: {error}"))),
        }
    }
    let ids: Vec<Uuid> = messages
        .iter()
        .filter_map(|(event, data)| order_of(event, data))
        .collect();
    let orders = orders(connection, ids).await?;
    for (event, data) in &mut messages {
        if let Some(order) = order_of(event, data).and_then(|id| orders.get(&id)) {
            data["cancelReason"] = json!(order.cancel_reason);
            data["lines"] = json!(order.lines);
        }
    }
    Ok(Messages {
        claimed: messages.into_iter().map(message).collect(),
        unreadable,
    })
}

/// The order whose status the event is about.
fn order_of(event: &outbox_event::Model, data: &Value) -> Option<Uuid> {
    let status = event.kind.strip_prefix("order.")?;
    OrderStatus::parse(status)?;
    Uuid::try_parse(data["orderId"].as_str()?).ok()
}

/// What a message says about an order beside its event.
struct OrderParts {
    cancel_reason: Option<String>,
    lines: Vec<Value>,
}

/// Reads orders by their public ids.
async fn orders<C: ConnectionTrait>(
    connection: &C,
    public_ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, OrderParts>, DbErr> {
    if public_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, Uuid, Option<String>)> = customer_order::Entity::find()
        .select_only()
        .columns([
            customer_order::Column::Id,
            customer_order::Column::PublicId,
            customer_order::Column::StatusReason,
        ])
        .filter(dialect::uuid_in(
            customer_order::Column::PublicId,
            public_ids,
        ))
        .into_tuple()
        .all(connection)
        .await?;
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    let mut lines = lines(connection, &ids).await?;
    Ok(rows
        .into_iter()
        .map(|(id, public_id, cancel_reason)| {
            let lines = lines.remove(&id).unwrap_or_default();
            (
                public_id,
                OrderParts {
                    cancel_reason,
                    lines,
                },
            )
        })
        .collect())
}

/// Reads the lines of orders.
async fn lines<C: ConnectionTrait>(
    connection: &C,
    order_ids: &[i64],
) -> Result<HashMap<i64, Vec<Value>>, DbErr> {
    let rows = order_line::Entity::find()
        .filter(dialect::column_in(order_line::Column::OrderId, order_ids))
        .order_by_asc(order_line::Column::Id)
        .all(connection)
        .await?;
    let products: Vec<i64> = rows.iter().map(|line| line.product_id).collect();
    let slugs = catalog::slugs(connection, &products).await?;
    let mut lines: HashMap<i64, Vec<Value>> = HashMap::new();
    for line in rows {
        let of_order = lines.entry(line.order_id).or_default();
        of_order.push(json!({
            "productId": line.product_id,
            "productSlug": slugs.get(&line.product_id),
            "productName": line.product_name,
            "quantity": line.quantity,
            "unitPriceCents": line.unit_price_cents,
        }));
    }
    Ok(lines)
}

fn message((event, data): (outbox_event::Model, Value)) -> ClaimedEvent {
    let body = json!({
        "id": event.id,
        "type": event.kind,
        "at": moment::in_rfc3339(event.created_at),
        "data": data,
    });
    ClaimedEvent {
        id: event.id,
        kind: event.kind,
        body: body.to_string(),
        attempts: event.attempts,
    }
}
