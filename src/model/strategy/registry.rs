//! The registry of the strategies: one row for each, with everything that other code may know of
//! it. Safe strategies come first; the order is that of every list.
//!
//! `build.rs` reads this file too, with a macro of its own, for the colours of the style sheet: it
//! takes the first four fields, in this order. Nothing else holds a colour of a strategy. A new row
//! needs a line that `line_differences` can tell from all others.

strategies! {
    /// `SELECT … FOR UPDATE`, check, update.
    RowLock {
        key: "row-lock",
        colour: "#146df6",
        colour_dark: "#a2c5fe",
        dash: "0",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: true,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "locks the stock row with SELECT … FOR UPDATE, checks, then updates it",
        explanation:
            "Each buyer locks the stock row with SELECT … FOR UPDATE, checks it, and updates \
                it. The others wait; no other transaction can change the row between read and \
                write.",
        watch_for:
            "One buyer holds the row lock, all others wait in the lock queue. Stock falls \
                evenly; the last in the queue wait longest.",
        choose_it_when:
            "The check needs more than one value, or several rows must change together.",
        decisive: "FOR UPDATE",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// The same with `NOWAIT`, retried.
    RowLockNowait {
        key: "row-lock-nowait",
        colour: "#5b4f10",
        colour_dark: "#cbb85d",
        dash: "16 6",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "locks the stock row or fails at once with NOWAIT, and retries after a random backoff",
        explanation:
            "Each buyer tries to lock the stock row. If another holds the lock, the statement \
                fails at once and the buyer retries after a random backoff. No buyer waits in the \
                database; most tries fail.",
        watch_for: "No lock queue, but many retries; chance decides which buyer is next.",
        choose_it_when:
            "The caller has a better option than waiting: another warehouse, another seat, a \
                page that says “busy”.",
        decisive: "FOR UPDATE NOWAIT",
        decisive_on_mysql: None,
        application_part: Some("retries run in the application"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// `UPDATE … WHERE available >= n`; the number of affected rows decides.
    ConditionalUpdate {
        key: "conditional-update",
        colour: "#68237c",
        colour_dark: "#c963e9",
        dash: "0",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: true,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "updates the row only if enough is available; the affected rows decide",
        explanation:
            "Each buyer sends one UPDATE that matches only while enough is available. After a \
                wait, the database evaluates the condition again on the new row; if no row \
                matches, the purchase is rejected.",
        watch_for:
            "The lock queue is as long as with a row lock, but each buyer holds the lock for \
                one statement less.",
        choose_it_when: "The rule fits into one WHERE clause.",
        decisive: "stock.available >=",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// An unchecked decrement, which a constraint rejects.
    CheckConstraint {
        key: "check-constraint",
        colour: "#58003f",
        colour_dark: "#f252bb",
        dash: "16 6",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "subtracts unchecked, and lets a CHECK constraint reject a negative stock",
        explanation:
            "Each buyer subtracts without a check. A CHECK constraint on the row rejects a \
                counter below zero, and the whole purchase is rolled back.",
        watch_for:
            "Every buyer writes first and checks afterwards: a rejected purchase has done all \
                of its work for nothing.",
        choose_it_when: "Always, as the last line of defence behind another strategy.",
        decisive: "UPDATE stock SET",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// Version compare-and-swap, retried.
    Optimistic {
        key: "optimistic",
        colour: "#3500b7",
        colour_dark: "#919bfe",
        dash: "7 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "writes only if the row's version is still the one that was read, and retries \
                otherwise",
        explanation:
            "Each buyer reads the row with its version, and writes only if the version is \
                unchanged. Otherwise the buyer rolls back and retries.",
        watch_for:
            "No buyer waits before the write. Retries rise while many read the same version; \
                buyers that lose too often fall back to the row lock.",
        choose_it_when:
            "Conflicts are rare and reads are long, such as a form that a person edits for \
                minutes.",
        decisive: "stock.version =",
        decisive_on_mysql: None,
        application_part: Some("retries run in the application"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// `SERIALIZABLE`, retried on 40001.
    Serializable {
        key: "serializable",
        colour: "#3c3a07",
        colour_dark: "#f1ec60",
        dash: "3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::Serializable,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "reads and writes under SERIALIZABLE, and retries when the database detects a \
                conflict",
        explanation:
            "Each buyer reads and writes as if no other transaction were running. The database \
                tracks reads and writes, and aborts transactions that could not have run one \
                after the other; they retry.",
        watch_for:
            "Aborts instead of waits: each retry repeats a whole purchase, and some buyers \
                fall back to the row lock.",
        choose_it_when:
            "The rule spans rows or tables, correctness matters more than speed, and \
                contention is low.",
        decisive: "ISOLATION LEVEL SERIALIZABLE",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// `pg_advisory_xact_lock` around a conditional write.
    AdvisoryLock {
        key: "advisory-lock",
        colour: "#17628c",
        colour_dark: "#72b3de",
        dash: "3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "waits for an advisory lock of the product, then updates conditionally",
        explanation:
            "Each buyer takes an advisory lock with the product’s id, and then updates the row \
                conditionally. Buyers wait for the advisory lock instead of the row.",
        watch_for:
            "The same queue as with a row lock, but at the advisory lock: buyers hardly ever \
                wait for the stock row.",
        choose_it_when:
            "The work to serialize has no row of its own, such as a call to another system.",
        decisive: "pg_advisory_xact_lock",
        decisive_on_mysql: Some("GET_LOCK"),
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// One row a unit, `FOR UPDATE SKIP LOCKED`.
    SkipLockedUnits {
        key: "skip-locked-units",
        colour: "#527d49",
        colour_dark: "#c8f4c0",
        dash: "7 5",
        is_safe: true,
        layout: StockLayout::Units,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "stores one row per unit, and takes rows that are not locked with SKIP LOCKED",
        explanation:
            "Each unit is a row. Each buyer takes a row that no other transaction has locked, \
                so no buyer waits; only for the last units, buyers wait for locked rows.",
        watch_for:
            "Hardly any waits while enough units remain, and a short queue for the last ones.",
        choose_it_when: "Units are individual: seats, rooms, serial numbers, jobs of a queue.",
        decisive: "SKIP LOCKED",
        decisive_on_mysql: None,
        application_part: Some("the application chooses the row"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// Stock split over several rows.
    Buckets {
        key: "buckets",
        colour: "#07355b",
        colour_dark: "#6996c3",
        dash: "14 5 3 5",
        is_safe: true,
        layout: StockLayout::Buckets,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "splits the stock into several rows, so that buyers lock different rows",
        explanation:
            "The stock is split into eight rows, and each buyer takes units from an unlocked \
                one. When no bucket has enough, a buyer locks all of them and takes the remaining \
                units.",
        watch_for:
            "Several short lock queues instead of one long queue. Towards the end the buckets \
                run out one by one, and buyers use the others.",
        choose_it_when: "One row is too hot, and it is acceptable that the total needs a sum.",
        decisive: "SKIP LOCKED",
        decisive_on_mysql: None,
        application_part: Some("the application chooses the row"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// One statement does it all in one round trip.
    SingleStatement {
        key: "single-statement",
        colour: "#03807f",
        colour_dark: "#61fefa",
        dash: "16 6",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: false,
        queue: QueueLocation::Database,
        summary:
            "takes the stock and writes order, line, movement and key in one statement, one \
                round trip",
        explanation:
            "Each buyer sends one statement that takes the stock and writes order, line, \
                movement and key. The row is never locked while the database waits for the \
                buyer’s next statement.",
        watch_for: "The lock queue moves fast: the lock is released without another round trip.",
        choose_it_when:
            "The database is a millisecond away, and the rules fit into SQL that you want to \
                maintain.",
        decisive: "UPDATE stock s SET",
        decisive_on_mysql: Some("CALL purchase_single_statement"),
        application_part: None,
        stepper_note: Some(
            "It is a single statement and its own transaction: you cannot step into it, and \
                the isolation level is not used.",
        ),
        engines: Engines::All,
        needs_redis: false,
    }
    /// One procedure that releases the row lock before the WAL flush.
    EarlyRelease {
        key: "early-release",
        colour: "#6854c2",
        colour_dark: "#d3d0fc",
        dash: "14 5 3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: false,
        queue: QueueLocation::Database,
        summary:
            "releases the row lock before the commit is on disk, and responds after a later flush",
        explanation:
            "Each purchase commits without waiting for the disk, which releases the row lock \
                at once; the response waits for a later WAL flush, which many purchases share.",
        watch_for:
            "Hardly any lock waits; most of the time is the wait for the shared flush to disk.",
        choose_it_when:
            "One row is hot, the disk is the bottleneck, and each order must be its own \
                transaction.",
        decisive: "CALL purchase_early_release",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: Some(
            "It is a single statement and its own transaction: you cannot step into it, and \
                the isolation level is not used.",
        ),
        engines: Engines::PostgresOnly(
            "whether a commit waits for the disk is a setting of the whole server there, not of a transaction",
        ),
        needs_redis: false,
    }
    /// One writer takes many waiting orders in one transaction.
    MicroBatch {
        key: "micro-batch",
        colour: "#976b04",
        colour_dark: "#cc952b",
        dash: "3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: true,
        has_race_window: false,
        queue: QueueLocation::ServerMemory,
        summary:
            "lets one writer process all queued purchases in one transaction, and responds \
                after its commit",
        explanation:
            "Purchases queue in the server’s memory. One writer takes the whole queue, locks \
                the row once, and commits once; then each buyer gets a response.",
        watch_for: "No lock queue in the database. Successes come in bursts, one per batch.",
        choose_it_when: "One product is hot, and orders come faster than the disk can flush.",
        decisive: "UPDATE stock s SET",
        decisive_on_mysql: Some("UPDATE stock SET"),
        application_part: Some("batches are formed in the application"),
        stepper_note: Some(
            "Its writer batches the buyers of one server process. Each buyer here uses its own \
                server, so each batch has one buyer.",
        ),
        engines: Engines::All,
        needs_redis: false,
    }
    /// A counter in Redis in front of a conditional update.
    RedisCounter {
        key: "redis-counter",
        colour: "#5c2dda",
        colour_dark: "#897ed2",
        dash: "14 5 3 5 3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "reserves at a counter in Redis, then updates the row conditionally: the row decides",
        explanation:
            "Each buyer reserves at a counter in Redis under a lease, and then sends the conditional update. A buyer \
                who finds the counter empty queries the row under its lock, and the counter is set to the row’s \
                value.",
        watch_for:
            "Few buyers at the row once it is sold out: Redis repeats the row’s last rejection, on every server, for \
             100 ms.",
        choose_it_when:
            "Many servers request a sold-out product, and the database should not receive every request.",
        decisive: "stock.available >=",
        decisive_on_mysql: None,
        application_part: Some("a counter in Redis, before and after the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// A lock in Redis whose fencing token the row checks.
    RedisLock {
        key: "redis-lock",
        colour: "#161f09",
        colour_dark: "#b6d932",
        dash: "14 5 3 5 3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::ServerMemory,
        summary:
            "takes a lock in Redis with a fencing token, and the row rejects an older token",
        explanation:
            "Each buyer takes a lock in Redis, whose lease ends after a second, and gets a token that \
                is greater than all before. The row stores the token of its last writer, and rejects \
                a smaller one: a holder that was paused for too long changes nothing.",
        watch_for:
            "No lock queue in the database: buyers wait in the servers’ memory, and one buyer per server asks Redis \
             for the lock.",
        choose_it_when:
            "The work to serialize is outside of the database, and what it writes can check a token.",
        decisive: "stock.fence <",
        decisive_on_mysql: None,
        application_part: Some("a lock in Redis around the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// A reservation with a time limit in Redis, confirmed in the database.
    RedisHold {
        key: "redis-hold",
        colour: "#8b4c70",
        colour_dark: "#efa5c5",
        dash: "14 5 3 5 3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: true,
        has_race_window: false,
        queue: QueueLocation::Database,
        summary:
            "reserves in Redis for a limited time, and confirms by a conditional update",
        explanation:
            "Each buyer reserves in Redis for a limited time, and holds no connection meanwhile. The \
                conditional update then confirms, whether the reservation still exists or not: the \
                row decides.",
        watch_for:
            "Buyers whose payment takes long hold no connection and no lock; an expired reservation is confirmed if \
             the row still has the unit.",
        choose_it_when:
            "Payments take long, and most rejections should not need the database.",
        decisive: "stock.available >=",
        decisive_on_mysql: None,
        application_part: Some("a reservation in Redis, before and after the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// A durable queue in Redis, whose consumers write batches.
    RedisStream {
        key: "redis-stream",
        colour: "#ae4fae",
        colour_dark: "#e11cfe",
        dash: "14 5 3 5 3 5 3 5",
        is_safe: true,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: false,
        queue: QueueLocation::ServerMemory,
        summary:
            "answers at once with a place in a durable queue, from which consumers write batches",
        explanation:
            "Each buyer puts the order into a stream in Redis and gets a place in the queue. Consumers write the \
                orders in batches, each one once, and a purchase is complete when its order is written.",
        watch_for:
            "No lock queue in the database. Buyers wait for their place in the queue, in the order of \
                arrival, and the last ones wait longest.",
        choose_it_when:
            "Buyers arrive faster than the database can write, for longer than a request may wait.",
        decisive: "UPDATE stock s SET",
        decisive_on_mysql: Some("UPDATE stock SET"),
        application_part: Some("a queue in Redis, in front of the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// A lock in the server's memory: safe on one server only.
    ProcessMutex {
        key: "process-mutex",
        colour: "#76170c",
        colour_dark: "#f48774",
        dash: "7 5",
        is_safe: false,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::ServerMemory,
        summary: "locks in the server's memory: works on one server, oversells on two",
        explanation:
            "Each buyer takes a lock in the server’s memory, reads, compares and writes. On \
                one server this works; a second server has its own lock, and both sell the same \
                unit.",
        watch_for: "It works like a row lock until buyers use a second server.",
        choose_it_when:
            "The data that it guards is in the same process. Never for data in a database.",
        decisive: "UPDATE stock SET available = $1",
        decisive_on_mysql: Some("UPDATE stock SET available = ?"),
        application_part: Some("the lock is in the application"),
        stepper_note: Some(
            "Its lock is in a server’s memory. Each buyer here uses its own server, so the \
                lock protects nothing, as in a shop with two servers.",
        ),
        engines: Engines::All,
        needs_redis: false,
    }
    /// The same lock without a token: a holder that is paused for too long writes all the same.
    RedisLockUnfenced {
        key: "redis-lock-unfenced",
        colour: "#553633",
        colour_dark: "#cc6a69",
        dash: "14 5 3 5 3 5",
        is_safe: false,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::ServerMemory,
        summary:
            "takes a lock in Redis without a token: a holder that pauses too long oversells",
        explanation:
            "Each buyer takes a lock in Redis, reads the stock, compares, and writes back the new \
                value. If a buyer pauses until the lease of the lock has ended, another buyer takes \
                the lock, and both write.",
        watch_for:
            "It works until one buyer pauses for more than a second, for example because of a garbage collector or a \
             slow disk.",
        choose_it_when:
            "You want to show why a lock with a lease needs a token that the row checks.",
        decisive: "UPDATE stock SET available = $1",
        decisive_on_mysql: Some("UPDATE stock SET available = ?"),
        application_part: Some("a lock in Redis around the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// A counter in Redis and one in the row, which nothing reconciles.
    RedisDualWrite {
        key: "redis-dual-write",
        colour: "#ad0048",
        colour_dark: "#d7989e",
        dash: "14 5 3 5 3 5 3 5",
        is_safe: false,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "counts down in Redis, then in the row, and never compares the two: loses units",
        explanation:
            "Each buyer takes a unit from a counter in Redis, and then subtracts it from the row. A \
                buyer whose connection or server is lost between the two has taken the unit in Redis \
                only: no other buyer gets it.",
        watch_for:
            "Stock that does not reach zero: Redis rejects buyers while the row still has units that only Redis \
             subtracted.",
        choose_it_when:
            "You want to show why a counter in front of the row needs leases and reconciliation.",
        decisive: "UPDATE stock SET",
        decisive_on_mysql: None,
        application_part: Some("a counter in Redis inside of the transaction"),
        stepper_note: None,
        engines: Engines::All,
        needs_redis: true,
    }
    /// Read, compare, then subtract unchecked.
    BlindDecrement {
        key: "blind-decrement",
        colour: "#a54a23",
        colour_dark: "#de7043",
        dash: "14 5 3 5",
        is_safe: false,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary:
            "reads, compares in the application and subtracts unchecked: the stock falls below \
                zero",
        explanation:
            "Each buyer reads the stock, compares, and then subtracts from the current value. \
                Two buyers that read the last unit both subtract it: the counter falls below \
                zero.",
        watch_for: "A stock counter that falls below zero.",
        choose_it_when: "You want to show the cost of one missing condition.",
        decisive: "UPDATE stock SET",
        decisive_on_mysql: None,
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
    /// Read, compare in the application, write the new value.
    Unguarded {
        key: "unguarded",
        colour: "#d63465",
        colour_dark: "#fa4e7e",
        dash: "0",
        is_safe: false,
        layout: StockLayout::Row,
        isolation: Isolation::ReadCommitted,
        can_hold: false,
        has_race_window: true,
        queue: QueueLocation::Database,
        summary: "reads, compares in the application and writes the new value back: loses updates",
        explanation:
            "Each buyer reads the stock, compares, and writes back the new value. Two buyers \
                that read the same value write the same value: the counter loses one of the two \
                sales, but both orders exist.",
        watch_for:
            "The stock hardly falls while successes exceed it: each lost update sells a unit \
                twice.",
        choose_it_when: "You want to show why the other strategies exist.",
        decisive: "UPDATE stock SET available = $1",
        decisive_on_mysql: Some("UPDATE stock SET available = ?"),
        application_part: None,
        stepper_note: None,
        engines: Engines::All,
        needs_redis: false,
    }
}
