//! Reads the metrics of a server again and again while a fault lasts.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use reqwest::Client;
use tokio_util::task::AbortOnDropHandle;

use super::{
    metrics::{Metric, Scrape},
    scene::Scene,
};

const INTERVAL: Duration = Duration::from_millis(200);
/// The metrics are read from memory.
const SCRAPE_MAX: Duration = Duration::from_secs(2);

/// Reads all metrics once; `None` if the server does not answer.
pub async fn scrape(http: &Client, url: &str) -> Option<Scrape> {
    let answer = http.get(url).timeout(SCRAPE_MAX).send().await.ok()?;
    let text = answer.error_for_status().ok()?.text().await.ok()?;
    Some(Scrape::parse(&text))
}

/// The metrics before a fault and during it.
pub struct Watch {
    before: Scrape,
    during: Arc<Mutex<Vec<Scrape>>>,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// Begins while no request is in progress.
    pub async fn start(scene: &Scene) -> Self {
        let before = scene.scrape().await.expect("the server has metrics");
        let during: Arc<Mutex<Vec<Scrape>>> = Arc::default();
        let (http, url) = (scene.http.clone(), scene.metrics_url.clone());
        let of_task = Arc::clone(&during);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                if let Some(scrape) = scrape(&http, &url).await {
                    of_task.lock().expect("no panic here").push(scrape);
                }
            }
        });
        Self {
            before,
            during,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn during(&self) -> MutexGuard<'_, Vec<Scrape>> {
        self.during.lock().expect("no panic under this lock")
    }

    /// True if a metric has moved so far. `after` is read when no request is in progress.
    pub fn has_moved(&self, metric: &Metric, after: Option<&Scrape>) -> bool {
        metric.has_moved(&self.before, &self.during(), after)
    }
}
