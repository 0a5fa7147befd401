//! Records the statements that the shop sends for one order, by parsing PostgreSQL's wire protocol.

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
    fresh_database::FreshDatabase,
    lane::Lane,
    proxy::{Observer, Proxy},
    server::Server,
};

/// Id ranges of the recording's rows. They do not overlap, so a parameter's value shows which id it
/// is.
pub const LANE_IDS: std::ops::Range<i64> = 600_000_000..700_000_000;
pub const PRODUCT_IDS: std::ops::Range<i64> = 700_000_000..800_000_000;
pub const ORDER_IDS: std::ops::Range<i64> = 800_000_000..900_000_000;
/// The idempotency key of the recorded order.
pub const KEY: &str = "the-recorded-order";

/// The pool may send this on a returned connection; it belongs to no order.
const POOL_ROLLBACK: &str = "BEGIN; ROLLBACK";

/// One statement and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentStatement {
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
    /// An unsupported type, by its OID.
    Other(u32),
}

/// The statements of one order, and its public id.
pub struct Recording {
    pub sent: Vec<SentStatement>,
    pub order_id: String,
}

/// Buys twice with `strategy` and records the second purchase: by then, all statements are prepared
/// and all caches are filled.
pub async fn record(server: &Server, strategy: StrategyKey) -> Result<Recording, Failure> {
    let fresh = server.fresh().await?;
    let result = record_in(&fresh, strategy).await;
    server.drop_database(&fresh.name).await?;
    result
}

async fn record_in(fresh: &FreshDatabase, strategy: StrategyKey) -> Result<Recording, Failure> {
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
    let traffic = Arc::new(ClientTraffic::default());
    let observer: Observer = {
        let traffic = Arc::clone(&traffic);
        Arc::new(move |connection, chunk| traffic.record(connection, chunk))
    };
    let proxy = Proxy::observed(&fresh.url, observer)?;
    // One connection per purpose. Otherwise the second order might use another one and prepare all
    // statements again.
    let pool = PoolSettings {
        transactions_max: 1,
        readers_max: 1,
        ..PoolSettings::COMMAND
    };
    let db = Db::connect(proxy.url(), pool).await?;
    let shop = Shop::new(db.clone(), Feed::default());
    let buy = async |key| -> Result<String, Failure> {
        let outcome = shop.purchase(strategy, buyers::request(lane, key)?).await;
        Ok(outcome.result?.order_id)
    };
    buy("the-very-first-order").await?;
    traffic.clear();
    let order_id = buy(KEY).await?;
    let sent = traffic.statements();
    db.close().await;
    Ok(Recording { sent, order_id })
}

/// The client messages of all connections so far.
#[derive(Default)]
struct ClientTraffic(Mutex<TrafficState>);

#[derive(Default)]
struct TrafficState {
    connections: HashMap<usize, Connection>,
    sent: Vec<SentStatement>,
}

#[derive(Default)]
struct Connection {
    /// Bytes of a message that is not complete yet.
    pending: Vec<u8>,
    /// Whether the startup message, which has no type byte, has been read.
    started: bool,
    /// Prepared statements by name, with the types of their parameters.
    prepared: HashMap<Vec<u8>, (String, Vec<u32>)>,
}

impl ClientTraffic {
    fn state(&self) -> MutexGuard<'_, TrafficState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        self.state().sent.clear();
    }

    fn statements(&self) -> Vec<SentStatement> {
        let mut sent = self.state().sent.clone();
        sent.retain(|sent| !sent.sql.is_empty() && sent.sql != POOL_ROLLBACK);
        sent
    }

    fn record(&self, number: usize, chunk: &[u8]) {
        let mut state = self.state();
        let TrafficState { connections, sent } = &mut *state;
        let connection = connections.entry(number).or_default();
        connection.pending.extend_from_slice(chunk);
        while let Some((kind, body)) = connection.next() {
            // An unreadable message would leave out a statement, and the scripts would differ.
            let _ = connection.process_message(kind, &body, sent);
        }
    }
}

impl Connection {
    /// Returns the next complete message.
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

    fn process_message(
        &mut self,
        kind: u8,
        body: &[u8],
        sent: &mut Vec<SentStatement>,
    ) -> Option<()> {
        let mut body = Reader(body);
        match kind {
            b'Q' => sent.push(SentStatement {
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
                sent.push(SentStatement {
                    sql: sql.clone(),
                    parameters,
                });
            }
            _ => {}
        }
        Some(())
    }
}

/// The unread rest of a message.
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
                // No format: all values are text; one format: for all values; else one per value.
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
    /// Decodes a binary value by the OID of its type.
    fn binary(kind: u32, value: &[u8]) -> Self {
        let integer = |value: &[u8]| {
            // Sign-extended from the first byte.
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
