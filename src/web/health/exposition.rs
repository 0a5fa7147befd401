//! The text for Prometheus, in two formats. A figure that is not known at the moment has no series,
//! so that no old value passes for a new one.

mod exemplars;
mod resilience;
mod waiting;

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{
        self, DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, NoLabelSet, prometheus_text,
    },
    metrics::MetricType,
    registry::Registry,
};

use self::exemplars::Exemplars;
use super::{
    observed::{count, number, seconds},
    queried::{AuditFigures, Queried},
};
use crate::{
    db::Db,
    metrics::{Histogram, Journey, histogram::BOUNDS_US},
    telemetry,
    web::AppState,
};

/// Writes all metrics of a server in version 0.0.4 of the format, which every reader knows.
pub fn text(state: &AppState) -> Result<String, fmt::Error> {
    let registry = registry(state, &Exemplars::default());
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// Writes all metrics of a server in the format OpenMetrics, with the exemplars of the histograms.
pub fn open_metrics(state: &AppState) -> Result<String, fmt::Error> {
    let exemplars = Exemplars::default();
    let registry = registry(state, &exemplars);
    let mut text = String::new();
    encoding::text::encode(&mut text, &registry)?;
    exemplars.behind_buckets(&text)
}

fn registry(state: &AppState, exemplars: &Exemplars) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics {
        state: state.clone(),
        exemplars: exemplars.clone(),
    }));
    registry
}

/// The metrics of a server.
#[derive(Debug)]
struct Metrics {
    state: AppState,
    exemplars: Exemplars,
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut writer = Writer {
            encoder,
            exemplars: &self.exemplars,
        };
        self.write_selling(&mut writer)?;
        self.write_transactions(&mut writer)?;
        self.write_pools(&mut writer)?;
        self.write_server(&mut writer)?;
        self.write_resilience(&mut writer)?;
        let queried = self.state.health.queried();
        let queried = queried.as_deref();
        write_work(&mut writer, queried)?;
        self.write_waiting(&mut writer, queried)?;
        write_audits(&mut writer, queried)?;
        write_database(&mut writer, queried)
    }
}

impl Metrics {
    fn write_selling(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let selling = self.state.shop.metrics();
        let journeys =
            || Journey::ALL.map(|journey| ([("journey", journey.label())], selling.of(journey)));
        writer.counters(
            "doorbuster_checkout_attempts",
            "Attempts to buy, reserve or pay that began, also if the client left before the end",
            journeys().map(|(label, journey)| (label, journey.attempts.get())),
        )?;
        writer.counters(
            "doorbuster_checkout_successes",
            "Attempts to buy, reserve or pay that succeeded",
            journeys().map(|(label, journey)| (label, journey.successes.get())),
        )?;
        writer.counters(
            "doorbuster_checkout_refusals",
            "Attempts to buy, reserve or pay that were rejected or failed, by reason",
            journeys().into_iter().flat_map(|([label], journey)| {
                let refusals = journey.refusals();
                refusals.map(move |(reason, count)| ([label, ("reason", reason)], count))
            }),
        )?;
        writer.histograms(
            "doorbuster_checkout_duration_seconds",
            "Duration of the attempts to buy, reserve or pay that ended",
            journeys().map(|(label, journey)| (label, &journey.duration)),
        )?;
        writer.counters(
            "doorbuster_strategy_fallbacks",
            "Purchases and reservations that fell back to the stock row, because a strategy had used up its attempts \
             or Redis was unavailable",
            selling
                .fallbacks()
                .map(|(strategy, count)| ([("strategy", strategy)], count)),
        )?;
        writer.counters(
            "doorbuster_sold_out_cache_answers",
            "Answers of the sold-out cache",
            selling
                .cache_answers()
                .map(|(answer, count)| ([("answer", answer)], count)),
        )?;
        writer.counters(
            "doorbuster_holds_swept",
            "Expired holds that this server released",
            [(NO_LABELS, selling.holds_swept.get())],
        )?;
        let queued = self.state.shop.purchases().queued() as u64;
        writer.gauges(
            "doorbuster_purchase_queue_depth",
            "Purchases that wait for the batch writer",
            [(NO_LABELS, count(queued))],
        )
    }

    fn write_transactions(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let all = || {
            let all = self.state.shop.db().metrics().all();
            all.map(|figures| ([("transaction", figures.name)], figures))
        };
        writer.counters(
            "doorbuster_transaction_attempts",
            "Attempts of transactions, the first one included",
            all().map(|(label, figures)| (label, figures.attempts.get())),
        )?;
        writer.counters(
            "doorbuster_transaction_retries",
            "Attempts of transactions after the first one",
            all().map(|(label, figures)| (label, figures.retries.get())),
        )?;
        writer.counters(
            "doorbuster_transaction_rollbacks",
            "Attempts of transactions that were rolled back, by SQLSTATE or other reason",
            all().flat_map(|([label], figures)| {
                let reasons = figures.rollbacks_by_reason();
                reasons.map(move |(reason, count)| ([label, ("sqlstate", reason)], count))
            }),
        )?;
        writer.histograms(
            "doorbuster_transaction_duration_seconds",
            "Duration of transactions with all attempts and waits",
            all().map(|(label, figures)| (label, &figures.duration)),
        )?;
        writer.time_counters(
            "doorbuster_transaction_lock_wait_seconds",
            "Time in statements that take row locks",
            all().map(|(label, figures)| (label, figures.lock_wait_us.get())),
        )?;
        writer.time_counters(
            "doorbuster_transaction_pool_wait_seconds",
            "Time in which transactions waited for a connection",
            all().map(|(label, figures)| (label, figures.pool_wait_us.get())),
        )
    }

    fn write_pools(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let pools = || {
            let pools: [(&str, &Db); 2] = [
                ("shop", self.state.shop.db()),
                ("audit", &self.state.audit_db),
            ];
            pools.map(|(name, db)| ([("pool", name)], db))
        };
        writer.gauges(
            "doorbuster_pool_connections_in_use",
            "Connections of the pool in a transaction",
            pools().map(|(label, db)| (label, f64::from(db.transactions_in_use()))),
        )?;
        writer.gauges(
            "doorbuster_pool_connections_max",
            "Connections that the pool may open for transactions",
            pools().map(|(label, db)| (label, f64::from(db.settings().transactions_max))),
        )?;
        writer.gauges(
            "doorbuster_pool_waiting",
            "Transactions that wait for a connection",
            pools().map(|(label, db)| (label, count(db.transactions_waiting()))),
        )
    }

    fn write_server(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        let health = &self.state.health;
        let classes = || {
            let classes = health.http().classes();
            classes.map(|(class, requests)| ([("class", class)], requests))
        };
        writer.counters(
            "doorbuster_http_requests",
            "Requests that were answered, by class of address and first digit of the status",
            classes().flat_map(|([label], requests)| {
                let statuses = requests.statuses();
                statuses.map(move |(status, count)| ([label, ("status", status)], count))
            }),
        )?;
        let refused = health.http().refusals().by_reason();
        writer.counters(
            "doorbuster_http_refused_connections",
            "Connections, and requests of a proxy's clients, that were refused before the router, by reason",
            refused.map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        writer.histograms(
            "doorbuster_http_request_duration_seconds",
            "Time from the head of a request to the head of its response",
            classes().map(|(label, requests)| (label, &requests.duration)),
        )?;
        writer.gauges(
            "doorbuster_streams_open",
            "Event streams that pages follow",
            [(NO_LABELS, count(health.http().streams_open()))],
        )?;
        writer.gauges(
            "doorbuster_notices_received",
            "1 while notices of other servers arrive, 0 while their changes are polled",
            [(
                NO_LABELS,
                f64::from(u8::from(self.state.shop.feed().receives_notices())),
            )],
        )?;
        writer.gauges(
            "doorbuster_uptime_seconds",
            "Time since this server started",
            [(NO_LABELS, health.uptime().as_secs_f64())],
        )?;
        let traces = self.state.traces.iter();
        writer.counters(
            "doorbuster_trace_spans",
            "Spans of traces: exported, failed because the collector did not confirm them, or dropped because too many waited",
            traces.flat_map(|traces| {
                let ends = traces.ends().into_iter();
                ends.map(|(end, count)| ([("end", end)], count))
            }),
        )?;
        writer.counters(
            "doorbuster_log_lines_lost",
            "Lines of the log that could not be written",
            [(NO_LABELS, telemetry::lost_lines())],
        )?;
        let heartbeat = health.heartbeat_age();
        writer.gauges(
            "doorbuster_heartbeat_age_seconds",
            "Time since this server could write to the database in its maintenance",
            heartbeat.map(|age| (NO_LABELS, age.as_secs_f64())),
        )?;
        let is_visible = health.queried().is_some();
        writer.gauges(
            "doorbuster_database_visible",
            "1 while the figures that need a query can be read, 0 otherwise",
            [(NO_LABELS, f64::from(u8::from(is_visible)))],
        )
    }
}

fn write_work(writer: &mut Writer<'_, '_>, queried: Option<&Queried>) -> fmt::Result {
    let work = queried.map(|queried| queried.shop);
    writer.gauges(
        "doorbuster_holds",
        "Holds that have not ended: live ones, and expired ones that no server has released yet",
        work.into_iter().flat_map(|work| {
            [
                ([("state", "live")], number(work.holds_live)),
                ([("state", "expired")], number(work.holds_expired)),
            ]
        }),
    )?;
    writer.gauges(
        "doorbuster_hold_oldest_unswept_age_seconds",
        "Time since the expiry of the first hold that no server has released yet",
        work.map(|work| (NO_LABELS, seconds(work.oldest_expired_us))),
    )?;
    writer.gauges(
        "doorbuster_payments_unknown",
        "Payments whose outcome should be known by now",
        work.map(|work| (NO_LABELS, number(work.payments_unknown))),
    )?;
    writer.gauges(
        "doorbuster_payment_oldest_unknown_age_seconds",
        "Age of the oldest payment whose outcome should be known by now",
        work.map(|work| (NO_LABELS, seconds(work.oldest_unknown_us))),
    )?;
    writer.gauges(
        "doorbuster_events_waiting",
        "Refunds that wait for the provider, and paid orders that wait for stock",
        work.into_iter().flat_map(|work| {
            [
                ([("kind", "refund")], number(work.refunds_waiting)),
                ([("kind", "backorder")], number(work.backorders_waiting)),
            ]
        }),
    )
}

fn write_audits(writer: &mut Writer<'_, '_>, queried: Option<&Queried>) -> fmt::Result {
    let audits = || {
        let audits = queried.into_iter().flat_map(|queried| {
            [
                ("continuous", queried.continuous_audit, queried.at.elapsed()),
                ("full", queried.full_audit, queried.at.elapsed()),
            ]
        });
        audits.filter_map(|(name, audit, since)| Some(([("audit", name)], audit?, since)))
    };
    let age = |audit: AuditFigures, since: Duration| (audit.age + since).as_secs_f64();
    writer.gauges(
        "doorbuster_audit_age_seconds",
        "Age of the latest result of an audit",
        audits().map(|(label, audit, since)| (label, age(audit, since))),
    )?;
    writer.gauges(
        "doorbuster_audit_violations",
        "Violations in the latest result of an audit",
        audits().map(|(label, audit, _)| (label, count(audit.violations as u64))),
    )
}

fn write_database(writer: &mut Writer<'_, '_>, queried: Option<&Queried>) -> fmt::Result {
    let clocks_apart = queried.and_then(|queried| queried.clocks_apart);
    writer.gauges(
        "doorbuster_database_clock_difference_seconds",
        "How far the clocks of this server and of the database are apart, at least",
        clocks_apart.map(|apart| (NO_LABELS, apart.as_seconds_f64())),
    )?;
    let load = queried.and_then(|queried| queried.load);
    writer.gauges(
        "doorbuster_database_sessions_idle_in_transaction",
        "Sessions that have been idle in a transaction for more than two seconds",
        load.map(|load| (NO_LABELS, number(load.idle_in_transaction))),
    )?;
    writer.gauges(
        "doorbuster_database_longest_transaction_seconds",
        "Age of the oldest open transaction",
        load.map(|load| (NO_LABELS, seconds(load.longest_transaction_us))),
    )?;
    writer.gauges(
        "doorbuster_database_stock_dead_rows",
        "Dead rows of the table stock; on MySQL and MariaDB the length of the history list",
        load.map(|load| (NO_LABELS, number(load.dead_rows))),
    )
}

const NO_LABELS: [(&str, &str); 0] = [];

/// Writes families of series. A counter's name gets the end `_total`.
struct Writer<'a, 'e> {
    encoder: DescriptorEncoder<'e>,
    exemplars: &'a Exemplars,
}

impl Writer<'_, '_> {
    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.counter_family(name, help, series)
    }

    /// The same for times, counted in microseconds.
    fn time_counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let series = series.into_iter();
        let in_seconds = series.map(|(labels, us)| (labels, count(us) / 1e6));
        self.counter_family(name, help, in_seconds)
    }

    fn counter_family<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in series {
            // Before the counts, so that no exemplar is in a bucket that seems to be empty.
            self.exemplars.add(&histogram.exemplars());
            let snapshot = histogram.snapshot();
            let bounds = BOUNDS_US.iter().map(|us| count(*us) / 1e6);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(snapshot.counts).collect();
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    count(snapshot.sum_us) / 1e6,
                    snapshot.count(),
                    &buckets,
                    None,
                )?;
        }
        Ok(())
    }
}
