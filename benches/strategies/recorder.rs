//! What the shop really sends for one order: read off the line, in PostgreSQL's own protocol.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::StrategyKey,
    shop::Shop,
};

use crate::{
    Failure, buyers,
    lane::Lane,
    line::{Line, Tap},
    server::Server,
};

/// Ids of the recording's rows, so far apart that a parameter tells by itself whose id it is.
pub const LANE_IDS: std::ops::Range<i64> = 600_000_000..700_000_000;
pub const PRODUCT_IDS: std::ops::Range<i64> = 700_000_000..800_000_000;
pub const ORDER_IDS: std::ops::Range<i64> = 800_000_000..900_000_000;
/// The idempotency key of the recorded order.
pub const KEY: &str = "recorded-order";

/// What a pool does with a connection that comes back; it belongs to no order.
const HYGIENE: &str = "BEGIN; ROLLBACK";

/// One statement and what it was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub sql: String,
    pub parameters: Vec<Parameter>,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Uuid,
    /// A type that nobody has needed so far, by its number.
    Other(u32),
}

/// The statements of one order, and the public id that it got.
pub struct Recording {
    pub sent: Vec<Sent>,
    pub order_id: String,
}

/// Buys twice with `strategy` and records the second time: by then everything that is prepared or remembered once is.
pub async fn record(server: &Server, strategy: StrategyKey) -> Result<Recording, Failure> {
    let fresh = server.fresh().await?;
    let result = record_in(&fresh, strategy).await;
    server.drop_database(&fresh.name).await?;
    result
}

async fn record_in(
    fresh: &crate::server::Fresh,
    strategy: StrategyKey,
) -> Result<Recording, Failure> {
    for (table, ids) in [
        ("simulation_lane", LANE_IDS),
        ("product", PRODUCT_IDS),
        ("customer_order", ORDER_IDS),
    ] {
        fresh
            .execute(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), {})",
                ids.start
            ))
            .await?;
    }
    let lane = Lane::open(&fresh.url, strategy, 10).await?;
    let heard = Arc::new(Heard::default());
    let tap: Tap = {
        let heard = Arc::clone(&heard);
        Arc::new(move |connection, piece| heard.hear(connection, piece))
    };
    let line = Line::tapped(&fresh.url, tap)?;
    // One connection for each purpose, or the second order would prepare everything anew on another.
    let pool = PoolSettings {
        transactions_max: 1,
        readers_max: 1,
        ..PoolSettings::COMMAND
    };
    let db = Db::connect(line.url(), pool).await?;
    let shop = Shop::new(db.clone(), Feed::default());
    let buy = async |key| -> Result<String, Failure> {
        let outcome = shop.purchase(strategy, buyers::request(lane, key)?).await;
        Ok(outcome.result?.order_id)
    };
    buy("the-first-order").await?;
    heard.forget();
    let order_id = buy(KEY).await?;
    let sent = heard.sent();
    db.close().await;
    Ok(Recording { sent, order_id })
}

/// What came over all connections so far.
#[derive(Default)]
struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    connections: HashMap<usize, Connection>,
    sent: Vec<Sent>,
}

#[derive(Default)]
struct Connection {
    /// Bytes of a message whose rest is yet to come.
    pending: Vec<u8>,
    /// The very first message has no type.
    started: bool,
    /// By the name that a client gave it: a statement, and the types of its parameters.
    prepared: HashMap<Vec<u8>, (String, Vec<u32>)>,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        self.state().sent.clear();
    }

    fn sent(&self) -> Vec<Sent> {
        let mut sent = self.state().sent.clone();
        sent.retain(|sent| !sent.sql.is_empty() && sent.sql != HYGIENE);
        sent
    }

    fn hear(&self, number: usize, piece: &[u8]) {
        let mut state = self.state();
        let State { connections, sent } = &mut *state;
        let connection = connections.entry(number).or_default();
        connection.pending.extend_from_slice(piece);
        while let Some((kind, body)) = connection.next() {
            // A message that cannot be read would show as a statement that is missing, and the scripts would differ.
            let _ = connection.take_in(kind, &body, sent);
        }
    }
}

impl Connection {
    /// The next whole message.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.started);
        let length = self.pending.get(head..head + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let end = head + length.max(4);
        if self.pending.len() < end {
            return None;
        }
        let kind = if self.started { self.pending[0] } else { 0 };
        let body = self.pending[head + 4..end].to_vec();
        self.pending.drain(..end);
        self.started = true;
        Some((kind, body))
    }

    fn take_in(&mut self, kind: u8, body: &[u8], sent: &mut Vec<Sent>) -> Option<()> {
        let mut body = Reader(body);
        match kind {
            b'Q' => sent.push(Sent {
                sql: body.text()?,
                parameters: Vec::new(),
            }),
            b'P' => {
                let name = body.until_zero()?.to_vec();
                let sql = body.text()?;
                let types = (0..body.short()?)
                    .map(|_| body.word())
                    .collect::<Option<_>>()?;
                self.prepared.insert(name, (sql, types));
            }
            b'B' => {
                body.until_zero()?;
                let (sql, types) = self.prepared.get(body.until_zero()?)?;
                let parameters = body.parameters(types)?;
                sent.push(Sent {
                    sql: sql.clone(),
                    parameters,
                });
            }
            _ => {}
        }
        Some(())
    }
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn until_zero(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == 0)?;
        let taken = self.take(length)?;
        self.take(1)?;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.until_zero()?.to_vec()).ok()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn parameters(&mut self, types: &[u32]) -> Option<Vec<Parameter>> {
        let formats: Vec<u16> = (0..self.short()?)
            .map(|_| self.short())
            .collect::<Option<_>>()?;
        (0..usize::from(self.short()?))
            .map(|index| {
                let length = self.word()?;
                if length == u32::MAX {
                    return Some(Parameter::Null);
                }
                let value = self.take(length as usize)?;
                let kind = types.get(index).copied().unwrap_or_default();
                // None: all as text; one: for all alike; else one each.
                let format = match formats.as_slice() {
                    [] => 0,
                    [all] => *all,
                    each => *each.get(index)?,
                };
                Some(if format == 0 {
                    Parameter::Text(String::from_utf8_lossy(value).into_owned())
                } else {
                    Parameter::binary(kind, value)
                })
            })
            .collect()
    }
}

impl Parameter {
    /// By the numbers that PostgreSQL gives its types.
    fn binary(kind: u32, value: &[u8]) -> Self {
        let integer = |value: &[u8]| {
            // Sign-extended: the first byte tells the sign.
            let first = if value.first().is_some_and(|byte| *byte >= 0x80) {
                -1
            } else {
                0
            };
            value
                .iter()
                .fold(first, |number: i64, byte| (number << 8) | i64::from(*byte))
        };
        match kind {
            16 => Self::Bool(value == [1]),
            20 | 21 | 23 => Self::Integer(integer(value)),
            18 | 25 | 1042 | 1043 => Self::Text(String::from_utf8_lossy(value).into_owned()),
            2950 => Self::Uuid,
            other => Self::Other(other),
        }
    }
}
