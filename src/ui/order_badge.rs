//! The badge of an order's status.

use crate::model::Tone;

/// Returns the CSS classes of the badge.
pub const fn badge_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "badge badge--ok",
        Tone::Waiting => "badge badge--low",
        Tone::Bad => "badge badge--bad",
    }
}
