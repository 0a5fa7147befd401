//! Shared parts of the charts' time axes: round intervals between ticks, and tick labels.

/// A tick of a time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    pub at_ms: u64,
    /// The CSS class; narrow screens hide every other tick.
    pub class: &'static str,
    pub text: String,
}

/// Returns the first of 1, 2, 5, 10, 20, 50 … milliseconds that `fits` accepts as interval.
pub fn round_step_ms(fits: impl Fn(u64) -> bool) -> u64 {
    let mut power = 1;
    loop {
        for step in [1, 2, 5] {
            if fits(step * power) {
                return step * power;
            }
        }
        power *= 10;
    }
}

/// Returns an endless series of ticks that starts at zero.
pub fn ticks(step_ms: u64) -> impl Iterator<Item = Tick> {
    (0..).map(move |index| {
        let at_ms = step_ms * index;
        Tick {
            at_ms,
            class: if index % 2 == 1 {
                "n-mid tick-minor"
            } else {
                "n-mid"
            },
            // Only the first tick names the unit.
            text: if at_ms == 0 {
                "0 ms".to_owned()
            } else {
                at_ms.to_string()
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_first_round_one_that_fits() {
        for (span_ms, step_ms) in [(7, 1), (8, 2), (36, 10), (5_600, 1_000)] {
            assert_eq!(round_step_ms(|step| step * 7 >= span_ms), step_ms);
        }
    }

    #[test]
    fn the_first_tick_names_the_unit_and_every_other_tick_is_minor() {
        let first: Vec<_> = ticks(50)
            .map(|tick| (tick.at_ms, tick.class, tick.text))
            .take(3)
            .collect();
        let tick = |at_ms, class, text: &str| (at_ms, class, text.to_owned());
        assert_eq!(
            first,
            [
                tick(0, "n-mid", "0 ms"),
                tick(50, "n-mid tick-minor", "50"),
                tick(100, "n-mid", "100"),
            ]
        );
    }
}
