//! The scripts of the gate, which are in `scripts/`, each with its arguments and its answer.

use std::sync::LazyLock;

use crate::redis::Script;

/// A script that begins with the parts that all scripts of a gate share.
macro_rules! of_gate {
    ($file:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/beginning.lua"),
                include_str!($file)
            ))
        })
    };
}

/// Reserves units for a lease.
pub static RESERVE: LazyLock<Script> = of_gate!("scripts/reserve.lua");
/// Ends a lease whose purchase took nothing.
pub static RELEASE: LazyLock<Script> = of_gate!("scripts/release.lua");
/// Stores a level of the row, and ends a lease.
pub static STORE_LEVEL: LazyLock<Script> = of_gate!("scripts/store_level.lua");
/// Reads a gate.
pub static INSPECT: LazyLock<Script> = of_gate!("scripts/inspect.lua");
/// Reads the leases, the lock and the refusal of a product.
pub static DETAILS: LazyLock<Script> = of_gate!("scripts/details.lua");
/// Removes a gate.
pub static FORGET: LazyLock<Script> = of_gate!("scripts/forget.lua");
/// Lists the gates.
pub static GATES: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/gates.lua")));
/// Takes the lock of a product.
pub static LOCK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/lock.lua")));
/// Releases the lock of a product.
pub static UNLOCK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/unlock.lua")));
