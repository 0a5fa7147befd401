//! Limits on the stock that shoppers hold without paying.

use clap::Args;

/// The limits. 0 means no limit.
#[derive(Args, Clone, Debug)]
pub struct HoldLimits {
    /// Maximum units that one session reserves at a time. 0: unlimited.
    #[arg(long, env = "SESSION_HOLD_UNITS_MAX", default_value_t = HoldLimits::SESSION_UNITS_MAX)]
    pub session_hold_units_max: u32,

    /// Maximum value that one session reserves at a time, in cents. One unit is always possible.
    /// 0: unlimited.
    #[arg(long, env = "SESSION_HOLD_CENTS_MAX", default_value_t = HoldLimits::SESSION_CENTS_MAX)]
    pub session_hold_cents_max: u32,

    /// Maximum units that all sessions of one IP address reserve at a time. 0: unlimited.
    #[arg(long, env = "ADDRESS_HOLD_UNITS_MAX", default_value_t = HoldLimits::ADDRESS_UNITS_MAX)]
    pub address_hold_units_max: u32,

    /// Maximum value that all sessions of one IP address reserve at a time, in cents. 0: unlimited.
    #[arg(long, env = "ADDRESS_HOLD_CENTS_MAX", default_value_t = HoldLimits::ADDRESS_CENTS_MAX)]
    pub address_hold_cents_max: u32,

    /// Pause after a reservation that ended unpaid, in seconds; it doubles with each further one,
    /// up to an hour. 0: no pause.
    #[arg(long, env = "UNPAID_PAUSE_S", default_value_t = HoldLimits::PAUSE_S, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub unpaid_pause_s: u32,

    /// Reservations of one IP address that may end unpaid in an hour, besides two for each paid
    /// one, before the address has to pause. 0: unlimited.
    #[arg(long, env = "ADDRESS_UNPAID_MAX", default_value_t = HoldLimits::ADDRESS_UNPAID_MAX)]
    pub address_unpaid_max: u32,
}

impl HoldLimits {
    const SESSION_UNITS_MAX: u32 = 50;
    const SESSION_CENTS_MAX: u32 = 1_000_000;
    /// A thousand honest shoppers behind one address can hold two units each.
    const ADDRESS_UNITS_MAX: u32 = 2_000;
    const ADDRESS_CENTS_MAX: u32 = 100_000_000;
    const PAUSE_S: u32 = 60;
    const ADDRESS_UNPAID_MAX: u32 = 100;
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            session_hold_units_max: Self::SESSION_UNITS_MAX,
            session_hold_cents_max: Self::SESSION_CENTS_MAX,
            address_hold_units_max: Self::ADDRESS_UNITS_MAX,
            address_hold_cents_max: Self::ADDRESS_CENTS_MAX,
            unpaid_pause_s: Self::PAUSE_S,
            address_unpaid_max: Self::ADDRESS_UNPAID_MAX,
        }
    }
}
