//! A run as it goes on: its verdict, the figures of each lane, and charts that all stand on one axis of time.

#[cfg(feature = "hydrate")]
mod charts;
mod events;
mod figures;
mod panels;
mod spoken;

use leptos::prelude::*;

use crate::{
    model::{LaneSnapshot, RunSnapshot},
    ui::{
        columns::COLUMNS,
        verdict_tile::{Tile, VerdictTile},
    },
};

/// Shows `run`, of which it is handed no points but the latest, and follows it to its end. The children are the picture that the server
/// drew: it stays where there is no script, and makes room for charts once their points are there.
#[island]
pub fn LiveRun(run: RunSnapshot, children: Children) -> impl IntoView {
    let each = run.plan.quantities.max().get();
    let strategies: Vec<_> = run.lanes.iter().map(|lane| lane.strategy).collect();
    let panels = panels::Panels::of(&run);
    let run = RwSignal::new(run);
    let spoken = RwSignal::new(String::new());
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| following::follow(run, spoken, each));
    let lanes: Vec<_> = (0..strategies.len())
        .map(|index| lane(run, index))
        .collect();
    let tile = Memo::new(move |_| run.with(|run| Tile::of(run, each)));
    let names = strategies.iter().map(|strategy| strategy.as_str());
    let names = names.collect::<Vec<_>>().join(" ");
    view! {
        <run-charts class="run-charts" columns=COLUMNS.join(" ") lanes=names>
            {move || run.with(super::run_progress::progress)}
            <super::run_controls::RunControls run/>
            <p class="vh" role="status">{spoken}</p>
            <div class="run__top">
                {move || view! { <VerdictTile tile=tile.get()/> }}
                <div class="run__stock">
                    <div data-static="">{children()}</div>
                    {panels.stock(run)}
                </div>
            </div>
            {figures::figures(&lanes, each)}
            {events::list(run)}
            {panels.all()}
            <super::what_happened::WhatHappened run/>
        </run-charts>
    }
}

/// One lane, as it stands.
fn lane(run: RwSignal<RunSnapshot>, index: usize) -> Memo<Option<LaneSnapshot>> {
    Memo::new(move |_| run.with(|run| run.lanes.get(index).cloned()))
}

#[cfg(feature = "hydrate")]
mod following {
    use std::{cell::RefCell, rc::Rc};

    use leptos::prelude::*;

    use super::{super::lock_view, charts::Charts, spoken};
    use crate::{
        islands::stream,
        model::{RunSnapshot, snapshot::RunNews},
        ui::columns::rows,
    };

    /// Between two changes of the figures for who asked for less motion, in milliseconds.
    const CALM_MS: f64 = 1_000.0;
    /// Between two spoken summaries, in milliseconds.
    const SPOKEN_EVERY_MS: f64 = 5_000.0;

    /// What the page knows, and when it last said so.
    struct Known {
        run: RunSnapshot,
        shown_at: f64,
        spoken_at: f64,
        charts: Option<Charts>,
        each: u32,
    }

    /// Follows the run to its end; of one that is over, the stream tells the points once.
    pub fn follow(run: RwSignal<RunSnapshot>, spoken: RwSignal<String>, each: u32) {
        let known = Rc::new(RefCell::new(Known {
            run: run.get_untracked(),
            shown_at: 0.0,
            spoken_at: now_ms(),
            charts: Charts::of_page(),
            each,
        }));
        let id = run.with_untracked(|run| run.id.clone());
        stream::follow(
            format!("/live/simulations/{id}"),
            &["run", "news", "locks"],
            move |name, data| {
                if name == "locks" {
                    lock_view::tell(data);
                    return true;
                }
                let mut known = known.borrow_mut();
                known.take_in(name, data);
                known.show(run);
                known.speak(spoken);
                !known.run.state.is_over()
            },
        );
    }

    impl Known {
        fn take_in(&mut self, name: &str, data: &str) {
            if name == "run" {
                if let Ok(whole) = serde_json::from_str(data) {
                    self.replace(whole);
                }
            } else if let Ok(news) = serde_json::from_str(data) {
                self.add(news);
            }
        }

        fn replace(&mut self, whole: RunSnapshot) {
            if let Some(charts) = &self.charts {
                for (index, lane) in whole.lanes.iter().enumerate() {
                    let rows = rows(None, &lane.samples, self.each, lane.stock);
                    charts.take(index, &rows, true);
                }
                charts.mark(&whole.events);
            }
            self.run = whole.without_points();
        }

        fn add(&mut self, news: RunNews) {
            for (index, (lane, news)) in self.run.lanes.iter_mut().zip(news.lanes).enumerate() {
                let before = lane.samples.last().copied();
                if let Some(charts) = &self.charts {
                    let rows = rows(before, &news.samples, self.each, lane.stock);
                    charts.take(index, &rows, false);
                }
                lane.latency_ms = news.latency_ms;
                lane.samples = news
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
            let is_news = run.with_untracked(|shown| shown.state != self.run.state);
            if is_news || !is_calm() || now - self.shown_at >= CALM_MS {
                self.shown_at = now;
                run.set(self.run.clone());
            }
        }

        fn speak(&mut self, spoken: RwSignal<String>) {
            let now = now_ms();
            let was_silent = spoken.with_untracked(String::is_empty);
            // The page of a run that was over when it came needs no announcement.
            let ended = self.run.state.is_over() && (!was_silent || now - self.spoken_at > 200.0);
            if ended || now - self.spoken_at >= SPOKEN_EVERY_MS {
                self.spoken_at = now;
                spoken.set(spoken::summary(&self.run, self.each));
            }
        }
    }

    fn now_ms() -> f64 {
        window()
            .performance()
            .map_or(0.0, |performance| performance.now())
    }

    /// Whether the reader asked for less motion.
    fn is_calm() -> bool {
        window()
            .match_media("(prefers-reduced-motion: reduce)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches())
    }
}
