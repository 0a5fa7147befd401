//! The texts of the stories that differ on MySQL and MariaDB, whose tables are InnoDB's.

use super::{HIGHLIGHTED, PLAIN, SqlLine, Story, StoryTexts};

impl Story {
    pub(super) const fn innodb_texts(self) -> StoryTexts {
        let texts = self.postgres_texts();
        match self {
            Self::RowLock => StoryTexts {
                why: "FOR UPDATE takes the same lock as a write and holds it until the transaction ends. A later transaction waits and then reads the latest committed row. InnoDB does so at every isolation level: a locking read always sees the newest row, also where a plain SELECT sees a snapshot.",
                ..texts
            },
            Self::LostUpdate => StoryTexts {
                why: "The application computes the new value from a number that was true when it was read. Nothing connects the write to the read: the second write overwrites the first, the row counts one sale, and there are two orders. REPEATABLE READ, InnoDB’s default, does not prevent it: see that story.",
                ..texts
            },
            Self::ConditionalUpdate => StoryTexts {
                why: "An UPDATE evaluates its WHERE clause on the newest row, at every isolation level of InnoDB; this one waited for that row. There is no longer enough stock, so it matches no row. An application that ignores the number of affected rows oversells. The driver must report the rows that were found: by default it reports only rows whose values changed.",
                ..texts
            },
            Self::SerializableAbort => SERIALIZABLE_ABORT,
            Self::Deadlock => StoryTexts {
                watch_for: "Each waits for the other. InnoDB detects the deadlock when B begins to wait. It aborts one \
                            of the two with error 1213, and the other continues.",
                why: "The rows are locked in the order of the cart. Two carts with the same products in a different order can each hold a lock that the other needs. Neither cart is wrong on its own, and waiting longer does not help. InnoDB aborts the transaction that has changed the fewest rows; here both have changed one, so it aborts the one that closed the cycle.",
                ..texts
            },
            Self::DeadlockCure => StoryTexts {
                sql: &[
                    SqlLine("SELECT … FROM stock WHERE product_id IN (2, 1)", PLAIN),
                    SqlLine(" ORDER BY product_id FOR UPDATE;", HIGHLIGHTED),
                ],
                ..texts
            },
            _ => texts,
        }
    }
}

const SERIALIZABLE_ABORT: StoryTexts = StoryTexts {
    title: "Serializable: readers that deadlock",
    lead: "Two purchases, each as if it ran alone.",
    watch_for: "The locks after both have only read: each holds a shared lock on the row. Buyer A’s UPDATE waits, and Buyer B’s fails at once with error 1213. In B’s second attempt, even the SELECT waits.",
    why: "InnoDB has no serialization failures. At SERIALIZABLE, a plain SELECT is a locking read: it takes a shared lock, which others may also take, and while one holds it, no other may write the row. Two buyers who have read and now want to write wait for each other. InnoDB aborts one of them; the correct response is to retry the transaction. A purchase that locks FOR UPDATE when it reads queues instead.",
    sql: &[
        SqlLine(
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN;",
            HIGHLIGHTED,
        ),
        SqlLine(
            "SELECT available FROM stock WHERE product_id = 1; -- LOCK IN SHARE MODE",
            PLAIN,
        ),
        SqlLine(
            "UPDATE stock SET available = available - 1 WHERE product_id = 1;",
            PLAIN,
        ),
    ],
};

pub(super) const REPEATABLE_READ: StoryTexts = StoryTexts {
    title: "REPEATABLE READ: a snapshot and the newest row",
    lead: "Two buyers take their snapshots, and then a third one buys.",
    watch_for: "Both B and C began before A’s sale. B reads with FOR UPDATE and sees 2 units; C reads without it and still sees 3.",
    why: "At REPEATABLE READ, a plain SELECT reads the snapshot of the transaction’s first SELECT. A locking read and \
          an UPDATE use the newest row. So C decides based on 3 units and overwrites a row that has 2: the lost update \
          happens at this level too. PostgreSQL would abort both with 40001. MariaDB can do the same with error 1020: \
          innodb_snapshot_isolation, which is on by default since MariaDB 11.6. Lock what you will write when you read \
          it.",
    sql: &[
        SqlLine(
            "SELECT available FROM stock WHERE product_id = 1; -- 3, the snapshot",
            HIGHLIGHTED,
        ),
        SqlLine(
            "SELECT available FROM stock WHERE product_id = 1 FOR UPDATE; -- 2, the newest row",
            HIGHLIGHTED,
        ),
        SqlLine(
            "UPDATE stock SET available = 0, sold = 3 WHERE product_id = 1;",
            PLAIN,
        ),
    ],
};

pub(super) const GAP_LOCKS: StoryTexts = StoryTexts {
    title: "Gap locks: a deadlock without a common row",
    lead: "Two shoppers enter the checkout, each with a product of their own.",
    watch_for: "Neither has a reservation yet, so both SELECT … FOR UPDATE find no row. Then Shopper A’s INSERT waits for B, and B’s INSERT fails with error 1213.",
    why: "At REPEATABLE READ, a locking read that finds no row locks the gap where the row would be, so that none appears. Two transactions may lock the same gap, but an INSERT into it waits until all others have released theirs. Both want to insert: a deadlock, though the two share no row. At READ COMMITTED, InnoDB locks no gaps for this. So every session of the shop begins with that level; this story changes it back to the server’s default.",
    sql: &[
        SqlLine(
            "SELECT … FROM hold WHERE cart_id = 'a' FOR UPDATE; -- no row: locks the gap",
            HIGHLIGHTED,
        ),
        SqlLine(
            "INSERT INTO hold (cart_id, …) VALUES ('a', …); -- waits for the other’s gap lock",
            HIGHLIGHTED,
        ),
    ],
};
