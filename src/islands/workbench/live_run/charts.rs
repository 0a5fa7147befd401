//! The page's `<run-charts>`, as `public/charts/run-charts.js` defines it.

use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

use crate::model::RunEvent;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = HTMLElement)]
    type Element;

    #[wasm_bindgen(method)]
    fn take(this: &Element, lane: usize, rows: &[f64], anew: bool);

    #[wasm_bindgen(method)]
    fn mark(this: &Element, moments: &[f64]);
}

/// Where points go to be drawn.
pub struct Charts(Element);

impl Charts {
    /// Those of the page. None if their script did not load: the picture that the server drew then stays.
    pub fn of_page() -> Option<Self> {
        let element = document().query_selector("run-charts").ok().flatten()?;
        let is_ready = js_sys::Reflect::has(&element, &JsValue::from_str("take"));
        is_ready
            .unwrap_or_default()
            .then(|| Self(element.unchecked_into()))
    }

    /// Hands over points of a lane, as rows of `ui::columns`; with `anew`, in place of all before.
    pub fn take(&self, lane: usize, rows: &[f64], anew: bool) {
        self.0.take(lane, rows, anew);
    }

    /// Hands over what happened: for each event its moment in seconds, and its lane or -1.
    pub fn mark(&self, events: &[RunEvent]) {
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
