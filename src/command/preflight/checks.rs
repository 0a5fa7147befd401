//! The checks of `doorbuster preflight`. They change nothing but what a simulation changes: the
//! race is a run on a private product.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use doorbuster::{
    config::{DatabaseSettings, RedisSettings, ServeSettings},
    db::{PoolSettings, clock::least_difference, schema::SchemaDifference, server_load, txn},
    model::{Product, SimulationPlan, Verdict},
    redis::Redis,
    shop::{
        Shop,
        administrator::Administrator,
        audit::{self, AuditReport, Stored, continuous},
        moment,
    },
    simulation::store,
};
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    CommandError,
    command::{
        database::OpenDatabase, gateway::OpenGateway, interrupt::Interrupt, sale, serve, simulate,
    },
};

/// The clock of a machine that keeps time by NTP differs by less.
const CLOCK_DIFFERENCE_MAX: time::Duration = time::Duration::seconds(1);
/// A sale writes a few kilobytes for each order, and the logs of a bad night more.
const DISK_FREE_MIN: i128 = 1_000_000_000;
/// The connections of one more server: the pools of shop and audits, and one for notices.
const SERVER_CONNECTIONS: u32 = PoolSettings::SHOP.transactions_max
    + PoolSettings::SHOP.readers_max
    + PoolSettings::AUDIT.transactions_max
    + PoolSettings::AUDIT.readers_max
    + 1;
/// The full audit runs once a day, and may take hours in a large shop.
const FULL_AUDIT_AGE_MAX: Duration = Duration::from_secs(30 * 3_600);
/// How long the audit of the changes may take, also if a server does it at the moment.
const CHANGES_MAX: Duration = Duration::from_secs(60);
const CHANGES_PAUSE: Duration = Duration::from_millis(500);

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    Failed,
    /// There is nothing to check.
    Skipped,
}

impl State {
    /// The word in the table and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub struct Check {
    #[serde(rename = "check")]
    pub name: &'static str,
    pub state: State,
    pub detail: String,
}

impl Check {
    fn new(name: &'static str, is_ok: bool, detail: String) -> Self {
        let state = if is_ok { State::Ok } else { State::Failed };
        Self {
            name,
            state,
            detail,
        }
    }

    /// The schema is not that of this program: nothing else can be checked.
    pub fn of_schema(difference: SchemaDifference) -> Self {
        Self::new("schema", false, difference.to_string())
    }
}

/// What the checks need.
pub struct Preflight<'a> {
    pub settings: &'a DatabaseSettings,
    pub redis: &'a RedisSettings,
    pub serve: &'a ServeSettings,
    pub database: &'a OpenDatabase,
    pub shop: &'a Shop,
    pub interrupt: &'a Interrupt,
}

impl Preflight<'_> {
    /// Makes all checks. The audit of the changes is the last one, because it checks the race, too.
    pub async fn run(&self, slug: &str) -> Result<Vec<Check>, CommandError> {
        let product = sale::product_of(self.shop, slug).await?;
        let [clock, durability] = self.clock_and_durability().await?;
        Ok(vec![
            planned_sale(&product),
            clock,
            self.disk(),
            self.proxies(),
            durability,
            self.connections().await?,
            self.provider().await?,
            self.redis().await?,
            self.full_audit().await?,
            self.race().await,
            self.changes().await?,
        ])
    }

    async fn clock_and_durability(&self) -> Result<[Check; 2], CommandError> {
        let before = OffsetDateTime::now_utc();
        let server = store::server(self.shop.db()).await?;
        let after = OffsetDateTime::now_utc();
        let apart = least_difference(before, server.now, after);
        let clock = format!(
            "the clocks of this machine and of the database differ by {} ms",
            apart.whole_milliseconds()
        );
        let is_durable = server.fsync == "on";
        let durability = if is_durable {
            format!("{} writes each commit to the disk", server.name)
        } else {
            format!(
                "{} does not write each commit to the disk: a crash can lose orders",
                server.name
            )
        };
        Ok([
            Check::new("clock", apart <= CLOCK_DIFFERENCE_MAX, clock),
            Check::new("durability", is_durable, durability),
        ])
    }

    /// The disk of the data folder, which is that of an embedded database.
    fn disk(&self) -> Check {
        let folder = nearest_folder(&self.settings.data);
        let stat = match statvfs(folder) {
            Ok(stat) => stat,
            Err(error) => {
                return Check::new("disk", false, format!("{}: {error}", folder.display()));
            }
        };
        // Numbers of different sizes on different systems.
        let free = i128::from(stat.blocks_available()) * i128::from(stat.fragment_size());
        let elsewhere = match self.settings.url() {
            None => "",
            Some(_) => "; the disk of the database's server was not checked",
        };
        let detail = format!(
            "{} MB free in {}{elsewhere}",
            free / 1_000_000,
            folder.display()
        );
        Check::new("disk", free >= DISK_FREE_MIN, detail)
    }

    /// The server speaks no TLS, so an https shop is behind a proxy. Whether the listed address is
    /// the one from which it connects is known only when it does.
    fn proxies(&self) -> Check {
        let (state, detail) = if !self.serve.trusted_proxies.is_empty() {
            (State::Ok, "TRUSTED_PROXIES is set")
        } else if self.serve.is_secure() {
            let detail = "PUBLIC_URL is https, but TRUSTED_PROXIES is not set: all shoppers \
                          are counted as one";
            (State::Failed, detail)
        } else {
            (State::Skipped, "TRUSTED_PROXIES is not set")
        };
        Check {
            name: "proxies",
            state,
            detail: detail.to_owned(),
        }
    }

    async fn connections(&self) -> Result<Check, CommandError> {
        let connections = server_load::connections(self.shop.db().reader())
            .await
            .map_err(txn::read_error)?;
        let detail = format!(
            "{} in use, {} free; a server opens up to {SERVER_CONNECTIONS}",
            connections.used, connections.free
        );
        let is_ok = connections.free >= i64::from(SERVER_CONNECTIONS);
        Ok(Check::new("connections", is_ok, detail))
    }

    /// Asks the provider about a charge that does not exist: a wrong secret is refused.
    async fn provider(&self) -> Result<Check, CommandError> {
        let (opened, whose) = match &self.serve.payment_provider_url {
            Some(url) => {
                let secret = serve::payment_secret(self.serve, self.shop).await?;
                let opened = OpenGateway::connect(url.clone(), &secret);
                (opened, "PAYMENT_PROVIDER_URL")
            }
            None => {
                let opened = simulate::open_own_gateway(self.database).await;
                (opened, "the simulated provider, which moves no money,")
            }
        };
        let gateway = match opened {
            Ok(gateway) => gateway,
            Err(error) => return Ok(Check::new("provider", false, error.to_string())),
        };
        let answer = gateway.unguarded().charge_state(Uuid::new_v4()).await;
        gateway.close().await;
        Ok(match answer {
            Ok(_) => Check::new("provider", true, format!("{whose} answers")),
            Err(error) => Check::new("provider", false, error.to_string()),
        })
    }

    async fn redis(&self) -> Result<Check, CommandError> {
        let Some(url) = self.redis.url()? else {
            return Ok(Check {
                name: "redis",
                state: State::Skipped,
                detail: "REDIS_URL is not set".to_owned(),
            });
        };
        Ok(match Redis::at(url)?.incarnation().await {
            Ok(_) => Check::new("redis", true, "Redis answers".to_owned()),
            Err(error) => {
                let detail = format!("{error}; purchases use the stock row alone");
                Check::new("redis", false, detail)
            }
        })
    }

    async fn full_audit(&self) -> Result<Check, CommandError> {
        let Some(latest) = audit::latest(self.shop.db(), Stored::Full).await? else {
            let detail =
                "no full audit has run yet: start a server, and wait until the audit has ended";
            return Ok(Check::new("history", false, detail.to_owned()));
        };
        let hours = latest.age.as_secs() / 3_600;
        let detail = format!(
            "checked {} ago: {}",
            simulate::counted(hours, "hour", "hours"),
            violations(&latest.report)
        );
        let is_ok = latest.report.is_clean() && latest.age <= FULL_AUDIT_AGE_MAX;
        Ok(Check::new("history", is_ok, detail))
    }

    /// 33 buyers race for 20 units of a private product, by the shop's strategy.
    async fn race(&self) -> Check {
        match self.verdict_of_race().await {
            Ok(verdict) => {
                let detail = format!(
                    "{}: {} of {} units sold, {} buyers, {} rejected, {} failed, \
                     {} oversold, {} undersold",
                    verdict.strategy,
                    verdict.sold,
                    verdict.stock,
                    verdict.buyers,
                    verdict.rejected,
                    verdict.failed,
                    verdict.oversold,
                    verdict.undersold
                );
                Check::new("race", verdict.passed() && verdict.failed == 0, detail)
            }
            Err(error) => Check::new("race", false, error.to_string()),
        }
    }

    async fn verdict_of_race(&self) -> Result<Verdict, CommandError> {
        let plan = SimulationPlan {
            strategies: vec![self.serve.terms.strategy],
            ..SimulationPlan::preset()
        };
        let engine = simulate::engine(self.database, self.redis, self.interrupt).await?;
        let administrator = Administrator::at_the_command_line();
        let started = engine.start(&administrator, plan).await?;
        let end = engine.finish(started, &[], |_| {}).await?;
        let verdict = end.lanes.into_iter().find_map(|lane| lane.verdict);
        verdict.ok_or_else(|| "the run ended without a verdict".into())
    }

    /// Audits what changed since the last audit, the race included.
    async fn changes(&self) -> Result<Check, CommandError> {
        let started = Instant::now();
        while started.elapsed() < CHANGES_MAX && self.interrupt.exit_code().is_none() {
            match continuous::run_round(self.shop.db()).await? {
                Some(round) if round.has_more => {}
                Some(round) => {
                    let is_clean = round.report.is_clean();
                    return Ok(Check::new("changes", is_clean, violations(&round.report)));
                }
                // A server is auditing.
                None => tokio::time::sleep(CHANGES_PAUSE).await,
            }
        }
        let detail = format!("the audit did not end within {} s", CHANGES_MAX.as_secs());
        Ok(Check::new("changes", false, detail))
    }
}

fn planned_sale(product: &Product) -> Check {
    let time =
        |ms: Option<i64>| ms.map_or("-".to_owned(), |ms| moment::in_rfc3339(moment::from_ms(ms)));
    let plan = product.plan;
    let problem = if plan.starts_at_ms.is_none() {
        "; it has no start"
    } else if plan.ends_at_ms.is_none() {
        "; it has no end"
    } else if plan.has_ended_at(product.read_at_ms) {
        "; it has ended"
    } else if product.available <= 0 {
        "; no unit is available"
    } else {
        ""
    };
    let detail = format!(
        "{}: {}, from {}, until {}, {} of {} available{problem}",
        product.name,
        product.state().as_str(),
        time(plan.starts_at_ms),
        time(plan.ends_at_ms),
        product.available,
        product.total
    );
    Check::new("sale", problem.is_empty(), detail)
}

/// The folder, or the nearest one above it that exists.
fn nearest_folder(folder: &Path) -> &Path {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.unwrap_or(Path::new("."))
}

fn violations(report: &AuditReport) -> String {
    let violated = report.rules.iter().filter(|rule| rule.violations > 0);
    let names: Vec<_> = violated.map(|rule| rule.rule.as_str()).collect();
    if names.is_empty() {
        return "no violations".to_owned();
    }
    let number = report.violations() as u64;
    let number = simulate::counted(number, "violation", "violations");
    format!("{number} of {}; see `doorbuster audit`", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_folder_that_does_not_exist_yet_is_that_of_the_one_above_it() {
        assert_eq!(nearest_folder(Path::new("/no-such/a/b")), Path::new("/"));
        assert_eq!(nearest_folder(Path::new("no-such")), Path::new("."));
        assert_eq!(nearest_folder(Path::new("./no-such")), Path::new("."));
    }
}
