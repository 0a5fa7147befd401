//! The page's `<run-charts>` element, defined by `public/charts/run-charts.js`.

use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

use crate::model::RunEvent;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = HTMLElement)]
    type Element;

    #[wasm_bindgen(method)]
    fn take(this: &Element, lane: usize, rows: &[f64], replace: bool);

    #[wasm_bindgen(method)]
    fn mark(this: &Element, moments: &[f64]);
}

/// The charts of the page, which draw the points.
pub struct Charts(Element);

impl Charts {
    /// Finds the charts of the page. Returns `None` if their script did not load; the chart that
    /// the server drew then remains visible.
    pub fn of_page() -> Option<Self> {
        let element = document().query_selector("run-charts").ok().flatten()?;
        let is_ready = js_sys::Reflect::has(&element, &JsValue::from_str("take"));
        is_ready
            .unwrap_or_default()
            .then(|| Self(element.unchecked_into()))
    }

    /// Adds points to a lane, as rows of `ui::columns`. With `replace`, they replace all earlier
    /// points.
    pub fn add_rows(&self, lane: usize, rows: &[f64], replace: bool) {
        self.0.take(lane, rows, replace);
    }

    /// Sets the events to mark: for each event, its time in seconds, and its lane or -1.
    pub fn set_events(&self, events: &[RunEvent]) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a run, and a handful of lanes"
        )]
        let moments = events.iter().flat_map(|event| {
            let lane = event.lane.map_or(-1.0, |lane| lane as f64);
            [event.elapsed_ms as f64 / 1_000.0, lane]
        });
        self.0.mark(&moments.collect::<Vec<_>>());
    }
}
