//! What is in `ops/` fits the program: the names of metrics, and the sections of the incident
//! guide.

use std::{collections::BTreeSet, fs, path::Path};

use doorbuster::web::health::{exposition, figures::FIGURES};
use regex::Regex;

use super::support::{TestShop, Visitor, state};

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns what the first group of the pattern matches.
fn found(text: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let found = pattern.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

/// Returns the names of all series that the program can write: those of each family's type, and
/// those that a histogram has.
fn names(exposition: &str) -> BTreeSet<String> {
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let types = types.filter_map(|line| line.split_once(' '));
    types
        .flat_map(|(name, kind)| {
            let ends: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            ends.iter().map(move |end| format!("{name}{end}"))
        })
        .collect()
}

#[tokio::test]
async fn every_metric_that_is_named_exists() {
    let shop = TestShop::new().await;
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let names = names(&exposition::text(&state).expect("a text can be written"));
    for file in [
        "ops/grafana-dashboard.json",
        "ops/prometheus-rules.yaml",
        "ops/prometheus-rules.test.yaml",
    ] {
        let used = found(&read(file), r"\b(doorbuster_[a-z_]+)");
        assert!(used.len() > 15, "{file}: {used:?}");
        for name in used {
            assert!(
                names.contains(&name),
                "{file}: {name} is none of {names:#?}"
            );
        }
    }
    // People name a histogram without its ends.
    let is_known = |name: &str| names.contains(name) || names.contains(&format!("{name}_count"));
    for name in found(&read("docs/INCIDENTS.md"), r"`(doorbuster_[a-z_]+)`") {
        assert!(is_known(&name), "docs/INCIDENTS.md: {name}");
    }
    for figure in &FIGURES {
        assert!(
            is_known(figure.metric),
            "{}: {}",
            figure.title,
            figure.metric
        );
    }
}

/// Metrics of alerts that only say what another one is compared with.
const COMPARED_WITH: [&str; 2] = [
    "doorbuster_checkout_attempts_total",
    "doorbuster_pool_connections_max",
];

/// Returns the metrics in the expressions of these rules of which *Health* has no figure.
fn without_a_figure(rules: &str) -> BTreeSet<String> {
    let used = found(rules, r"\b(doorbuster_[a-z_]+)").into_iter();
    let used = used.map(|name| name.trim_end_matches("_bucket").to_owned());
    used.filter(|name| !FIGURES.iter().any(|figure| figure.metric == name))
        .collect()
}

/// An operator without Prometheus sees on *Health* what an alert would say.
#[test]
fn every_metric_of_an_alert_has_a_figure_on_health() {
    let missing = without_a_figure(&read("ops/prometheus-rules.yaml"));
    assert_eq!(missing, BTreeSet::from(COMPARED_WITH.map(str::to_owned)));
}

#[test]
fn a_metric_of_an_alert_without_a_figure_is_found() {
    let rules = "expr: max(doorbuster_holds) > 0 and doorbuster_uptime_seconds{instance=\"a\"} > 9";
    let missing = without_a_figure(rules);
    assert_eq!(
        missing,
        BTreeSet::from(["doorbuster_uptime_seconds".to_owned()])
    );
}

#[tokio::test]
async fn every_metric_is_in_the_dashboard() {
    let shop = TestShop::new().await;
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let text = exposition::text(&state).expect("a text can be written");
    let dashboard = read("ops/grafana-dashboard.json");
    let missing: Vec<_> = found(&text, r"(?m)^# TYPE (\w+) ")
        .into_iter()
        .filter(|name| !dashboard.contains(name.as_str()))
        .collect();
    // Its successes and refusals are there.
    assert_eq!(missing, ["doorbuster_checkout_attempts_total"]);
}

#[tokio::test]
async fn every_alert_has_a_runbook_and_is_fired_once() {
    let rules = read("ops/prometheus-rules.yaml");
    let fired = found(&read("ops/prometheus-rules.test.yaml"), r"alertname: (\w+)");
    let fired: BTreeSet<_> = fired.into_iter().collect();
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let guide = admin.page("/admin/health/guide").await.body;
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10, "{} alerts", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        assert!(
            fired.contains(name),
            "{name} is not in the test of the rules"
        );
        let runbooks = found(
            alert,
            r#"runbook_url: "\{\{ \$externalLabels\.shop_url \}\}/admin/health/guide#([a-z-]+)""#,
        );
        let [anchor] = runbooks.as_slice() else {
            panic!("{name} has {} runbooks", runbooks.len());
        };
        assert!(
            guide.contains(&format!("<h2 id=\"{anchor}\">")),
            "{name}: {anchor}"
        );
        assert!(alert.contains("severity: "), "{name}");
    }
    // Alerts of earlier versions lead to the earlier name of a section.
    let earlier = "<div id=\"the-database-is-away\"></div>";
    let (_, section) = guide.split_once(earlier).expect("the earlier name");
    let renamed = "<h2 id=\"the-database-is-unavailable\">";
    assert!(section.trim_start().starts_with(renamed), "{section}");
}

/// The alert about a server that does not answer names the job.
#[test]
fn the_job_of_the_alerts_is_that_of_the_configurations() {
    let jobs: BTreeSet<_> = found(&read("ops/prometheus-rules.yaml"), r#"up\{job="(\w+)"\}"#)
        .into_iter()
        .collect();
    for file in ["ops/prometheus.yaml", "ops/compose/prometheus.yaml"] {
        let scraped: BTreeSet<_> = found(&read(file), r"job_name: (\w+)").into_iter().collect();
        assert_eq!(scraped, jobs, "{file}");
    }
    assert_eq!(jobs.len(), 1);
}

/// A relative link leads nowhere in a message of the Alertmanager.
#[test]
fn the_links_of_alerts_begin_with_the_address_of_the_shop() {
    for file in ["ops/prometheus.yaml", "ops/compose/prometheus.yaml"] {
        let addresses = found(&read(file), r"(?m)^    shop_url: (https?://\S+[^/\s])$");
        assert_eq!(addresses.len(), 1, "{file}");
    }
    let dashboard = read("ops/grafana-dashboard.json");
    assert!(dashboard.contains("\"url\": \"${shop_url}/admin/health/guide\""));
    assert!(dashboard.contains("\"name\": \"shop_url\""));
    let fired = read("ops/prometheus-rules.test.yaml");
    let links = found(&fired, r#"runbook_url: "([^"]*)""#);
    assert!(links.len() >= 10, "{links:?}");
    for link in links {
        assert!(
            link.starts_with("https://shop.example.org/admin/"),
            "{link}"
        );
    }
}

#[test]
fn the_dashboard_is_valid_and_each_panel_has_a_place_of_its_own() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("ops/grafana-dashboard.json")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let mut places = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let title = &panel["title"];
        assert!(
            places.insert((place["y"].as_i64(), place["x"].as_i64())),
            "{title}"
        );
        assert!(
            panel["targets"]
                .as_array()
                .is_some_and(|targets| !targets.is_empty()),
            "{title}"
        );
    }
}
