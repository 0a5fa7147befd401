//! The server's clock in the browser: see [`ClockOffset`].

use std::{cell::RefCell, rc::Rc, time::Duration};

use leptos::prelude::*;

use super::clock_offset::ClockOffset;

/// Pages that show a sale change within this time of its start.
const TICK: Duration = Duration::from_millis(250);

/// See the module's documentation.
#[derive(Clone)]
pub struct ServerClock {
    offset: Rc<RefCell<ClockOffset>>,
    now_ms: RwSignal<Option<i64>>,
}

impl ServerClock {
    /// Starts the clock of a page that the server rendered at `rendered_at_ms`. From now on,
    /// `now_ms` is the server's time.
    ///
    /// The browser's clock is read at each tick, so a page whose timers stopped, because it was
    /// hidden or the computer slept, is right at its first tick.
    pub fn start(rendered_at_ms: i64, now_ms: RwSignal<Option<i64>>) -> Self {
        let clock = Self {
            offset: Rc::new(RefCell::new(ClockOffset::new(rendered_at_ms, browser_ms()))),
            now_ms,
        };
        clock.tick();
        let ticking = clock.clone();
        // If the browser refuses the timer, the events of the stream still set the clock.
        let _ = set_interval_with_handle(move || ticking.tick(), TICK);
        clock
    }

    /// Takes a time that the server sent.
    pub fn observe(&self, server_ms: i64) {
        self.check_step();
        self.offset.borrow_mut().observe(server_ms, browser_ms());
        self.tick();
    }

    fn tick(&self) {
        self.check_step();
        let now_ms = self.offset.borrow().server_ms(browser_ms());
        self.now_ms.set(Some(now_ms));
    }

    fn check_step(&self) {
        if let Some(performance) = window().performance() {
            let since_open_ms = whole_ms(performance.now());
            self.offset
                .borrow_mut()
                .check_step(browser_ms(), since_open_ms);
        }
    }
}

fn browser_ms() -> i64 {
    whole_ms(js_sys::Date::now())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit in 53 bits"
)]
fn whole_ms(ms: f64) -> i64 {
    ms as i64
}
