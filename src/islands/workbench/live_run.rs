//! A live run: its verdict, the numbers of each lane, and charts that share one time axis.

mod announcement;
#[cfg(feature = "hydrate")]
mod charts;
mod events;
mod figures;
mod panels;

use leptos::prelude::*;

use crate::{
    model::{LaneSnapshot, RunSnapshot},
    ui::{
        columns::COLUMNS,
        verdict_tile::{Tile, VerdictTile},
    },
};

/// Shows `run`, which arrives with the latest points only, and follows it to its end. The children
/// are the chart that the server drew: it remains visible without JavaScript, and interactive
/// charts replace it once their points have arrived.
#[island]
pub fn LiveRun(run: RunSnapshot, children: Children) -> impl IntoView {
    let units_per_attempt = run.plan.quantities.max().get();
    let lane_count = run.lanes.len();
    let panels = panels::Panels::of(&run);
    let run = RwSignal::new(run);
    let announcement = RwSignal::new(String::new());
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| following::follow(run, announcement, units_per_attempt));
    let lanes: Vec<_> = (0..lane_count).map(|index| lane(run, index)).collect();
    let tile = Memo::new(move |_| run.with(|run| Tile::of(run, units_per_attempt)));
    let names = run.with_untracked(|run| {
        let names = run.lanes.iter().map(|lane| match lane.is_thin() {
            true => format!("{}/thin", lane.strategy),
            false => lane.strategy.to_string(),
        });
        names.collect::<Vec<_>>().join(" ")
    });
    view! {
        <run-charts class="run-charts" columns=COLUMNS.join(" ") lanes=names>
            {move || run.with(super::run_progress::progress)}
            <super::run_controls::RunControls run/>
            <p class="vh" role="status">{announcement}</p>
            <div class="run__top">
                {move || view! { <VerdictTile tile=tile.get()/> }}
                <div class="run__stock">
                    <div data-static="">{children()}</div>
                    {panels.stock(run)}
                </div>
            </div>
            {figures::figures(&lanes, units_per_attempt)}
            {events::list(run)}
            {panels.all()}
            <super::what_happened::WhatHappened run/>
        </run-charts>
    }
}

/// Returns the current state of one lane.
fn lane(run: RwSignal<RunSnapshot>, index: usize) -> Memo<Option<LaneSnapshot>> {
    Memo::new(move |_| run.with(|run| run.lanes.get(index).cloned()))
}

#[cfg(feature = "hydrate")]
mod following {
    use std::{cell::RefCell, rc::Rc};

    use leptos::prelude::*;

    use super::{
        super::{lock_view, run_end},
        announcement,
        charts::Charts,
    };
    use crate::{
        islands::stream,
        model::{RunSnapshot, snapshot::RunUpdate},
        ui::columns::rows,
    };

    /// Milliseconds between two updates for users who prefer reduced motion.
    const REDUCED_MOTION_MS: f64 = 1_000.0;
    /// Milliseconds between two announcements to screen readers.
    const ANNOUNCE_EVERY_MS: f64 = 5_000.0;

    /// The latest state of the run, and when the page last showed and announced it.
    struct FollowedRun {
        run: RunSnapshot,
        shown_at: f64,
        announced_at: f64,
        charts: Option<Charts>,
        units_per_attempt: u32,
    }

    /// Follows the run to its end. For a run that is over, the stream sends the points once.
    pub fn follow(
        run: RwSignal<RunSnapshot>,
        announcement: RwSignal<String>,
        units_per_attempt: u32,
    ) {
        let followed = Rc::new(RefCell::new(FollowedRun {
            run: run.get_untracked(),
            shown_at: 0.0,
            announced_at: now_ms(),
            charts: Charts::of_page(),
            units_per_attempt,
        }));
        let id = run.with_untracked(|run| run.id.clone());
        stream::follow(
            format!("/live/simulations/{id}"),
            &["run", "news", "locks"],
            move |name, data| {
                if name == "locks" {
                    lock_view::publish(data);
                    return true;
                }
                let mut followed = followed.borrow_mut();
                followed.apply_event(name, data);
                followed.show(run);
                followed.announce(announcement);
                let is_over = followed.run.state.is_over();
                if is_over {
                    run_end::announce();
                }
                !is_over
            },
        );
    }

    impl FollowedRun {
        fn apply_event(&mut self, name: &str, data: &str) {
            if name == "run" {
                if let Ok(whole) = serde_json::from_str(data) {
                    self.replace(whole);
                }
            } else if let Ok(update) = serde_json::from_str(data) {
                self.append(update);
            }
        }

        fn replace(&mut self, whole: RunSnapshot) {
            if let Some(charts) = &self.charts {
                for (index, lane) in whole.lanes.iter().enumerate() {
                    let rows = rows(None, &lane.samples, self.units_per_attempt, lane.stock);
                    charts.add_rows(index, &rows, true);
                }
                charts.set_events(&whole.events);
            }
            self.run = whole.without_points();
        }

        fn append(&mut self, update: RunUpdate) {
            for (index, (lane, update)) in self.run.lanes.iter_mut().zip(update.lanes).enumerate() {
                let before = lane.samples.last().copied();
                if let Some(charts) = &self.charts {
                    let rows = rows(before, &update.samples, self.units_per_attempt, lane.stock);
                    charts.add_rows(index, &rows, false);
                }
                lane.latency_ms = update.latency_ms;
                lane.samples = update
                    .samples
                    .last()
                    .copied()
                    .or(before)
                    .into_iter()
                    .collect();
            }
        }

        fn show(&mut self, run: RwSignal<RunSnapshot>) {
            let now = now_ms();
            let state_changed = run.with_untracked(|shown| shown.state != self.run.state);
            if state_changed
                || !prefers_reduced_motion()
                || now - self.shown_at >= REDUCED_MOTION_MS
            {
                self.shown_at = now;
                run.set(self.run.clone());
            }
        }

        fn announce(&mut self, announcement: RwSignal<String>) {
            let now = now_ms();
            let is_first = announcement.with_untracked(String::is_empty);
            // A run that was over when the page loaded needs no announcement.
            let ended = self.run.state.is_over() && (!is_first || now - self.announced_at > 200.0);
            if ended || now - self.announced_at >= ANNOUNCE_EVERY_MS {
                self.announced_at = now;
                announcement.set(announcement::summary(&self.run, self.units_per_attempt));
            }
        }
    }

    fn now_ms() -> f64 {
        window()
            .performance()
            .map_or(0.0, |performance| performance.now())
    }

    /// Returns whether the user prefers reduced motion.
    fn prefers_reduced_motion() -> bool {
        window()
            .match_media("(prefers-reduced-motion: reduce)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches())
    }
}
