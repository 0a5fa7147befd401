//! The scripts of the queue, which are in `scripts/`, each with its arguments and its answer.

use std::sync::LazyLock;

use crate::redis::Script;

macro_rules! script {
    ($file:literal) => {
        LazyLock::new(|| Script::new(include_str!($file)))
    };
}

/// A script that begins with the part that takes an order from those that wait.
macro_rules! leaving_script {
    ($file:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/leave_waiting.lua"),
                include_str!($file)
            ))
        })
    };
}

/// Appends an order.
pub static ACCEPT: LazyLock<Script> = script!("scripts/accept.lua");
/// Reads which order was accepted under a key.
pub static KNOWN: LazyLock<Script> = script!("scripts/known.lua");
/// Takes entries for a consumer.
pub static TAKE: LazyLock<Script> = script!("scripts/take.lua");
/// Acknowledges entries whose orders are decided.
pub static ACKNOWLEDGE: LazyLock<Script> = leaving_script!("scripts/acknowledge.lua");
/// Moves an entry to the dead letters.
pub static BURY: LazyLock<Script> = leaving_script!("scripts/bury.lua");
/// Puts a dead letter back.
pub static REVIVE: LazyLock<Script> = script!("scripts/revive.lua");
/// Removes a dead letter.
pub static DISCARD: LazyLock<Script> = script!("scripts/discard.lua");
/// Reads the place of an order.
pub static PLACE: LazyLock<Script> = script!("scripts/place.lua");
/// Reads which orders wait.
pub static WAITING: LazyLock<Script> = script!("scripts/waiting.lua");
/// Lists the orders that wait the longest.
pub static OLDEST: LazyLock<Script> = script!("scripts/oldest.lua");
/// Appends orders whose entries are gone again.
pub static RESTORE: LazyLock<Script> = script!("scripts/restore.lua");
/// Removes old entries and consumers.
pub static TRIM: LazyLock<Script> = script!("scripts/trim.lua");
/// Reads the queue as a whole.
pub static STATE: LazyLock<Script> = script!("scripts/state.lua");
/// Lists acknowledged entries.
pub static ACKNOWLEDGED: LazyLock<Script> = script!("scripts/acknowledged.lua");
/// Lists the dead letters.
pub static DEAD_LETTERS: LazyLock<Script> = script!("scripts/dead_letters.lua");
