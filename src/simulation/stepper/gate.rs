//! The gate in front of one actor's statements: closed until somebody says whose turn it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::{
    db::{
        stops::{Halted, Heard, Look, Said, StockRow, Stops},
        txn::Isolation,
    },
    model::stepper::Counters,
};

/// Rings whenever somebody in the session has moved.
pub type Bell = Arc<watch::Sender<u64>>;

/// Where the actor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Now {
    /// Between two stops.
    Working,
    /// At the gate, with this to say.
    Stopped(Said),
    /// This was let go, and has not come back.
    Sent(Said),
    /// At the end: what it was told, and whether that was yes.
    Ended { told: String, served: bool },
}

/// A statement that has come back.
#[derive(Clone, Debug)]
pub struct Past {
    /// The step that let it go, counted from 1.
    pub step: usize,
    pub said: Said,
    pub waited_for: Vec<usize>,
    pub heard: Heard,
}

/// What is known of the actor.
#[derive(Clone, Debug)]
pub struct Known {
    pub now: Now,
    pub past: Vec<Past>,
    /// What its open transaction has written, by product.
    pub written: BTreeMap<i64, Counters>,
    step: usize,
    waited_for: BTreeSet<usize>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Gate {
    known: Mutex<Known>,
    turn: Semaphore,
    bell: Bell,
    isolation: Option<Isolation>,
    product_ids: Vec<i64>,
}

impl Gate {
    /// A closed gate. What its actor writes to the stock of `product_ids` is looked at.
    pub fn new(bell: Bell, isolation: Option<Isolation>, product_ids: Vec<i64>) -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::new(Known {
                now: Now::Working,
                past: Vec::new(),
                written: BTreeMap::new(),
                step: 0,
                waited_for: BTreeSet::new(),
            }),
            turn: Semaphore::new(0),
            bell,
            isolation,
            product_ids,
        })
    }

    /// All that is known now.
    pub fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Lets what stands at the gate go, as step number `step`; false if nothing does.
    pub fn go(&self, step: usize) -> bool {
        let mut known = self.lock();
        let Now::Stopped(said) = &known.now else {
            return false;
        };
        known.now = Now::Sent(said.clone());
        known.step = step;
        known.waited_for.clear();
        drop(known);
        self.turn.add_permits(1);
        true
    }

    /// Takes note of whom the actor is waiting for.
    pub fn waits_for(&self, actors: impl IntoIterator<Item = usize>) {
        self.lock().waited_for.extend(actors);
    }

    /// The actor has come to its end.
    pub fn end(&self, told: String, served: bool) {
        self.change(|known| known.now = Now::Ended { told, served });
    }

    /// From now on nothing passes but a ROLLBACK.
    pub fn halt(&self) {
        self.turn.close();
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let changed = change(&mut self.lock());
        self.bell
            .send_modify(|rings| *rings = rings.wrapping_add(1));
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stops for Gate {
    fn isolation(&self) -> Option<Isolation> {
        self.isolation
    }

    fn before(&self, said: Said) -> BoxFuture<'_, Result<(), Halted>> {
        Box::pin(async move {
            let rolls_back = said.sql == "ROLLBACK";
            self.change(|known| known.now = Now::Stopped(said.clone()));
            match self.turn.acquire().await {
                Ok(permit) => {
                    permit.forget();
                    Ok(())
                }
                Err(_) => {
                    self.change(|known| known.now = Now::Working);
                    if rolls_back { Ok(()) } else { Err(Halted) }
                }
            }
        })
    }

    fn after(&self, heard: Heard) -> Look {
        self.change(|known| {
            // A ROLLBACK that nobody let go has nothing to tell.
            let Now::Sent(said) = std::mem::replace(&mut known.now, Now::Working) else {
                return Look::Nowhere;
            };
            let wrote = said.sql.starts_with("UPDATE \"stock\"") && has_rows(&heard);
            let is_over = matches!(said.sql.as_str(), "COMMIT" | "ROLLBACK");
            if is_over || matches!(heard, Heard::Failed { .. }) {
                known.written.clear();
            }
            known.past.push(Past {
                step: known.step,
                said,
                waited_for: std::mem::take(&mut known.waited_for).into_iter().collect(),
                heard,
            });
            if wrote {
                // On its way until that has been looked at too.
                Look::Stock(self.product_ids.clone())
            } else {
                Look::Nowhere
            }
        })
    }

    fn looked(&self, rows: Vec<StockRow>) {
        self.change(|known| {
            for row in rows {
                known.written.insert(row.product_id, counters(&row));
            }
        });
    }
}

fn has_rows(heard: &Heard) -> bool {
    match heard {
        Heard::Affected(rows) => *rows > 0,
        Heard::Rows(cells) => !cells.rows.is_empty(),
        _ => false,
    }
}

/// A row as the page has it.
pub fn counters(row: &StockRow) -> Counters {
    Counters {
        total: row.total,
        available: row.available,
        reserved: row.reserved,
        sold: row.sold,
        version: row.version,
    }
}
