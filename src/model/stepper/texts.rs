//! The texts of a story: what to watch for, and the explanation. What happened in a session is
//! computed in `summary`.
//!
//! The texts here describe PostgreSQL; `innodb` has those that differ on MySQL and MariaDB.

mod innodb;

use super::Story;
use crate::model::DatabaseEngine;

/// A line of SQL, and whether it is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlLine(pub &'static str, pub bool);

/// The texts of a story.
#[derive(Clone, Copy, Debug)]
pub struct StoryTexts {
    pub title: &'static str,
    /// One sentence for the list, which says what the buyers do and not how it ends: the attendees
    /// guess that.
    pub lead: &'static str,
    pub watch_for: &'static str,
    pub why: &'static str,
    pub sql: &'static [SqlLine],
}

const PLAIN: bool = false;
const HIGHLIGHTED: bool = true;

impl Story {
    /// The story's texts on an engine.
    pub const fn texts(self, engine: DatabaseEngine) -> StoryTexts {
        match engine {
            DatabaseEngine::Postgres => self.postgres_texts(),
            DatabaseEngine::MySql => self.innodb_texts(),
        }
    }

    #[allow(clippy::too_many_lines, reason = "a table")]
    const fn postgres_texts(self) -> StoryTexts {
        match self {
            Self::LostUpdate => StoryTexts {
                title: "The lost update",
                lead: "Two buyers read the last unit, and then each writes the new stock.",
                watch_for: "What each buyer has read when it writes. Buyer B writes after A has committed and does not notice the change.",
                why: "The application computes the new value from a number that was true when it was read. Nothing connects the write to the read: the second write overwrites the first, the row counts one sale, and there are two orders.",
                sql: &[
                    SqlLine(
                        "SELECT available, sold FROM stock WHERE product_id = 1;",
                        PLAIN,
                    ),
                    SqlLine("-- the application subtracts", PLAIN),
                    SqlLine(
                        "UPDATE stock SET available = 0, sold = 1 WHERE product_id = 1;",
                        HIGHLIGHTED,
                    ),
                ],
            },
            Self::NegativeStock => StoryTexts {
                title: "Negative stock",
                lead: "The database subtracts, but the application checks.",
                watch_for: "Both buyers compare with the value that they read. The update is relative, so no update is lost: look at the final counter.",
                why: "A relative update is atomic, so each subtraction counts. But the application checked the stock earlier, against a value that is now stale. The check must be part of the statement that writes.",
                sql: &[
                    SqlLine("SELECT available FROM stock WHERE product_id = 1;", PLAIN),
                    SqlLine("-- the application compares", PLAIN),
                    SqlLine(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        HIGHLIGHTED,
                    ),
                ],
            },
            Self::RowLock => StoryTexts {
                title: "FOR UPDATE makes the second wait",
                lead: "Each buyer locks the row when it reads it.",
                watch_for: "Buyer B’s SELECT waits in the database. When it returns, it reads the new value, not the one from when it was sent.",
                why: "FOR UPDATE takes the same lock as a write and holds it until the transaction ends. A later transaction waits and then reads the latest committed row: at READ COMMITTED, the database reads the row again after the wait.",
                sql: &[
                    SqlLine(
                        "SELECT available FROM stock WHERE product_id = 1 FOR UPDATE;",
                        HIGHLIGHTED,
                    ),
                    SqlLine(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        PLAIN,
                    ),
                ],
            },
            Self::ConditionalUpdate => StoryTexts {
                title: "The update that affects no row",
                lead: "One statement checks the stock and writes it.",
                watch_for: "Buyer B’s UPDATE waits for A. Then it affects no row and reports no error.",
                why: "An UPDATE that waited evaluates its WHERE clause again on the newly committed row. There is no longer enough stock, so it matches no row. An application that ignores the number of affected rows oversells.",
                sql: &[
                    SqlLine("UPDATE stock SET available = available - 1", PLAIN),
                    SqlLine(" WHERE product_id = 1 AND available >= 1;", HIGHLIGHTED),
                ],
            },
            Self::VersionConflict => StoryTexts {
                title: "A version conflict, and its retry",
                lead: "Each buyer writes only if the row still has the version that it read.",
                watch_for: "The version that Buyer B read, and the one in its WHERE clause. There is stock for both: watch B retry.",
                why: "The write succeeds only if the row still has the version that was read. If not, nothing is written, and everything else that the transaction has read may be stale as well: it rolls back and retries. No lock is held between read and write; the cost is repeated work.",
                sql: &[
                    SqlLine(
                        "SELECT available, version FROM stock WHERE product_id = 1;",
                        PLAIN,
                    ),
                    SqlLine(
                        "UPDATE stock SET available = available - 1, version = version + 1",
                        PLAIN,
                    ),
                    SqlLine(" WHERE product_id = 1 AND version = 0;", HIGHLIGHTED),
                ],
            },
            Self::SerializableAbort => StoryTexts {
                title: "Serializable: aborted with 40001",
                lead: "Two purchases, each as if it ran alone.",
                watch_for: "Buyer B’s UPDATE fails, although no other transaction is open. The error code is 40001.",
                why: "Under SERIALIZABLE, B reads a snapshot from its first statement. The row has changed since, so B’s read and B’s write do not fit one serial order. The database aborts B; the correct response is to retry the transaction.",
                sql: &[
                    SqlLine("BEGIN ISOLATION LEVEL SERIALIZABLE;", HIGHLIGHTED),
                    SqlLine("SELECT available FROM stock WHERE product_id = 1;", PLAIN),
                    SqlLine(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        PLAIN,
                    ),
                ],
            },
            Self::Deadlock => StoryTexts {
                title: "Deadlock between two carts",
                lead: "Two carts contain the same products, in opposite order.",
                watch_for: "Each waits for the other. After a second the database aborts one with 40P01, and the other continues.",
                why: "The rows are locked in the order of the cart. Two carts with the same products in a different order can each hold a lock that the other needs. Neither cart is wrong on its own, and waiting longer does not help.",
                sql: &[
                    SqlLine(
                        "SELECT … FROM stock WHERE product_id = 2 FOR UPDATE; -- first in this cart",
                        HIGHLIGHTED,
                    ),
                    SqlLine(
                        "SELECT … FROM stock WHERE product_id = 1 FOR UPDATE;",
                        HIGHLIGHTED,
                    ),
                ],
            },
            Self::DeadlockCure => StoryTexts {
                title: "The fix: one lock order",
                lead: "The same carts, but all rows are locked in the order of their ids.",
                watch_for: "Cart B was filled in the opposite order. It waits for the first lock and holds nothing that A needs.",
                why: "If all transactions lock in the same order, a waiting one holds only earlier rows. A cycle would need one that holds a later row. The shop locks all rows of a cart with one statement, ordered by id.",
                sql: &[
                    SqlLine(
                        "SELECT … FROM stock WHERE product_id = ANY ('{2,1}')",
                        PLAIN,
                    ),
                    SqlLine(" ORDER BY product_id FOR UPDATE;", HIGHLIGHTED),
                ],
            },
            Self::ExpiredHold => StoryTexts {
                title: "An expired hold against a late payment",
                lead: "A payment, the sweeper and another buyer meet at the last unit.",
                watch_for: "The order of the three: the sweeper releases the unit, a buyer buys it, and the payment finds this out under the row lock.",
                why: "A captured payment cannot be rejected. The shop looks for the hold; if it has expired, the shop takes a unit from stock under the row lock, or refunds the payment if none is left. Try the other orders: pay first, or sweep and pay before the buyer buys.",
                sql: &[
                    SqlLine(
                        "SELECT … FROM hold WHERE order_id = 1 AND state = 'held' FOR UPDATE;",
                        PLAIN,
                    ),
                    SqlLine(
                        "SELECT … FROM stock WHERE product_id = 1 FOR UPDATE;",
                        HIGHLIGHTED,
                    ),
                    SqlLine("-- held, or enough in stock: sell; else refund", PLAIN),
                ],
            },
            Self::RepeatableRead => innodb::REPEATABLE_READ,
            Self::GapLocks => innodb::GAP_LOCKS,
            Self::Own => StoryTexts {
                title: "A story of your own",
                lead: "Two to four buyers, each with a strategy and an isolation level of your choice.",
                watch_for: "What each buyer has read when it writes, and which one waits for which.",
                why: "Each buyer runs the shop’s own purchase code. Its statements and its isolation level alone decide what it reads and when it waits.",
                sql: &[],
            },
        }
    }
}
