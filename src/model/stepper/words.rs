//! What is said beside a story before it runs, and why it goes as it goes. What happened is never said here: it is computed.

use super::Story;

/// A line of SQL, and whether it is the one that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(pub &'static str, pub bool);

/// What is said beside a story.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub title: &'static str,
    /// One sentence for the list.
    pub lead: &'static str,
    pub watch_for: &'static str,
    pub why: &'static str,
    pub sql: &'static [Line],
}

const PLAIN: bool = false;
const MATTERS: bool = true;

impl Story {
    /// What is said beside it.
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub const fn words(self) -> Words {
        match self {
            Self::LostUpdate => Words {
                title: "The lost update",
                lead: "Two buyers read the last unit, and both write what they reckoned.",
                watch_for: "What each buyer has read when it writes. Buyer B writes after A has committed, and is not told that anything changed.",
                why: "The new value was computed in the application, from a number that was true when it was read. Nothing ties the write to the read: the second overwrites the first, the row looks as if one had been sold, and there are two orders.",
                sql: &[
                    Line(
                        "SELECT available, sold FROM stock WHERE product_id = 1;",
                        PLAIN,
                    ),
                    Line("-- the application subtracts", PLAIN),
                    Line(
                        "UPDATE stock SET available = 0, sold = 1 WHERE product_id = 1;",
                        MATTERS,
                    ),
                ],
            },
            Self::NegativeStock => Words {
                title: "Negative stock",
                lead: "The subtraction is the database’s, the check is not: the shelf goes below zero.",
                watch_for: "Both compare with what they read. The update itself is relative, so nothing is lost this time: look at where the counter ends.",
                why: "A relative update is atomic, and so each subtraction counts. But whether there was enough had been decided earlier, on a number that is old by now. The check has to stand in the statement that writes.",
                sql: &[
                    Line("SELECT available FROM stock WHERE product_id = 1;", PLAIN),
                    Line("-- the application compares", PLAIN),
                    Line(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        MATTERS,
                    ),
                ],
            },
            Self::RowLock => Words {
                title: "FOR UPDATE makes the second wait",
                lead: "The row is locked when it is read, so nobody can change it before it is written.",
                watch_for: "Buyer B’s SELECT does not come back. It waits in the database, and what it reads in the end is not what stood there when it asked.",
                why: "FOR UPDATE takes the lock that a write takes, and keeps it until the transaction ends. Whoever comes later waits, and then reads the newest committed row: at READ COMMITTED the database looks again after the wait.",
                sql: &[
                    Line(
                        "SELECT available FROM stock WHERE product_id = 1 FOR UPDATE;",
                        MATTERS,
                    ),
                    Line(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        PLAIN,
                    ),
                ],
            },
            Self::ConditionalUpdate => Words {
                title: "The update that affects no row",
                lead: "One statement compares and writes; the number of rows is the answer.",
                watch_for: "Buyer B’s UPDATE waits for A. When it goes on, it returns no row, and no error either.",
                why: "An UPDATE that waited evaluates its WHERE again on the row that was committed meanwhile. There is no longer enough, so it matches nothing. Whoever forgets to look at the number of rows has sold what is not there.",
                sql: &[
                    Line("UPDATE stock SET available = available - 1", PLAIN),
                    Line(" WHERE product_id = 1 AND available >= 1;", MATTERS),
                ],
            },
            Self::VersionConflict => Words {
                title: "A version conflict, and its retry",
                lead: "Whoever was overtaken finds another version, and begins anew.",
                watch_for: "The version that Buyer B read, and the one in its WHERE. There is stock for both: see what B does instead of giving up.",
                why: "The write counts only if the row is still the one that was read. If not, nothing was written, and all that was read in this transaction is as old: it is rolled back and begun anew. Nobody waits with a lock in hand; the price is work done twice.",
                sql: &[
                    Line(
                        "SELECT available, version FROM stock WHERE product_id = 1;",
                        PLAIN,
                    ),
                    Line(
                        "UPDATE stock SET available = available - 1, version = version + 1",
                        PLAIN,
                    ),
                    Line(" WHERE product_id = 1 AND version = 0;", MATTERS),
                ],
            },
            Self::SerializableAbort => Words {
                title: "Serializable: aborted with 40001",
                lead: "The database itself notices that two purchases could not have come one after the other.",
                watch_for: "Buyer B’s UPDATE fails, though no other transaction is open any more. The code is 40001.",
                why: "Under SERIALIZABLE, B sees the database as it was at its first statement. The row has been changed since, so what B read and what B would write do not belong to one moment. The database aborts it; the only right answer is to begin anew.",
                sql: &[
                    Line("BEGIN ISOLATION LEVEL SERIALIZABLE;", MATTERS),
                    Line("SELECT available FROM stock WHERE product_id = 1;", PLAIN),
                    Line(
                        "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
                        PLAIN,
                    ),
                ],
            },
            Self::Deadlock => Words {
                title: "Deadlock between two carts",
                lead: "Each cart has locked what the other wants next.",
                watch_for: "Both wait for each other. After a second the database ends one of the two with 40P01, and the other goes on.",
                why: "The rows are locked in the order in which they lie in the cart. Two carts with the same things in another order can each hold what the other needs. Nobody is at fault alone, and waiting longer does not help.",
                sql: &[
                    Line(
                        "SELECT … FROM stock WHERE product_id = 2 FOR UPDATE; -- first in this cart",
                        MATTERS,
                    ),
                    Line(
                        "SELECT … FROM stock WHERE product_id = 1 FOR UPDATE;",
                        MATTERS,
                    ),
                ],
            },
            Self::DeadlockCure => Words {
                title: "Its cure: one order for all",
                lead: "The same carts, locked by id: one waits, and both go through.",
                watch_for: "Cart B was filled the other way round. It waits at the first lock, with nothing in hand that A could want.",
                why: "When everybody locks in the same order, whoever waits holds only rows that come earlier. A circle would need somebody who holds a later one. The shop locks all rows of a cart with one statement, by id.",
                sql: &[
                    Line(
                        "SELECT … FROM stock WHERE product_id = ANY ('{2,1}')",
                        PLAIN,
                    ),
                    Line(" ORDER BY product_id FOR UPDATE;", MATTERS),
                ],
            },
            Self::ExpiredHold => Words {
                title: "An expired hold against a late payment",
                lead: "The money comes when the unit has already gone to somebody else.",
                watch_for: "The order of three: the sweeper gives the unit back, a buyer takes it, and the payment finds out under the row’s lock.",
                why: "A payment cannot be refused after it was taken. The settlement looks for the hold; if that is gone it takes the unit from the shelf again, under the lock, if there is one, or else gives the money back. Try the other orders: pay first, or sweep and pay before anybody buys.",
                sql: &[
                    Line(
                        "SELECT … FROM hold WHERE order_id = 1 AND state = 'held' FOR UPDATE;",
                        PLAIN,
                    ),
                    Line(
                        "SELECT … FROM stock WHERE product_id = 1 FOR UPDATE;",
                        MATTERS,
                    ),
                    Line("-- held, or enough on the shelf: sell; else refund", PLAIN),
                ],
            },
            Self::Own => Words {
                title: "A story of your own",
                lead: "Two to four buyers, each by a strategy and at an isolation level of your choice.",
                watch_for: "Who has read what when it writes, and who waits for whom.",
                why: "Each buyer runs the shop’s own purchase. What it may see and whom it must wait for follows from its statements and its isolation level alone.",
                sql: &[],
            },
        }
    }
}
