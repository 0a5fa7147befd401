//! Where an order stands, as a badge.

use crate::model::Tone;

/// The badge's class.
pub const fn badge_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "badge badge--ok",
        Tone::Waiting => "badge badge--low",
        Tone::Bad => "badge badge--bad",
    }
}
