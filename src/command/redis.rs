//! `doorbuster redis`: seeds the gates from the stock rows, compares them with the rows, and
//! reconciles them. Also opens the gates for the other commands.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use doorbuster::{
    config::{DatabaseSettings, RedisSettings, WrongSetting},
    db::PoolSettings,
    feed::Feed,
    redis::Redis,
    shop::{
        Shop,
        administrator::Administrator,
        gates::{Difference, GateFailure, GateReport, Gates, ProductInspection, Reconciliation},
        inventory::gate::{GateDetails, StockGate},
    },
};
use serde::Serialize;

use super::{database::OpenDatabase, output};
use crate::{CommandError, EXIT_BROKEN, EXIT_USAGE};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Clone, Copy, Subcommand)]
enum Act {
    /// Writes the stock row of each product of the shop to its gate.
    Seed,
    /// Compares the gates that were used in the last hour with their stock rows. Exits with 3 if a
    /// gate lets through more units than its row and its leases have.
    Inspect {
        /// Print JSON: an array, or an object for one product.
        #[arg(long)]
        json: bool,
        /// Show the gate, the lock, the repeated rejection and at most 100 leases of the product
        /// with this id.
        #[arg(long, value_name = "ID")]
        product: Option<i64>,
    },
    /// Writes the stock row to each gate that differs. Servers do this every two seconds. Exits
    /// with 1 if a gate could not be written; the others are still written.
    Reconcile,
}

pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    if !redis.is_set() {
        output::note("doorbuster redis: no Redis is configured: set REDIS_URL");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    redis.url()?;
    OpenDatabase::with_current_schema(settings, async |database| {
        let db = database.pool(PoolSettings::COMMAND).await?;
        let shop = Shop::new(db.clone(), Feed::default());
        let result = act(shop, redis, arguments.act).await;
        db.close().await;
        let (text, code) = result?;
        output::print(&text)?;
        Ok(code)
    })
    .await
}

/// Returns what the command prints, and its exit code.
async fn act(
    shop: Shop,
    redis: &RedisSettings,
    act: Act,
) -> Result<(String, ExitCode), CommandError> {
    let gate = open_gate(redis, &shop).await?;
    let shop = shop.with_gate(gate);
    let gates = shop.gate_administration(&Administrator::at_the_command_line());
    match act {
        Act::Seed => {
            let done = gates.seed().await?;
            let text = format!("seeded {} gates\n", done.seeded);
            Ok((text, unless_failed(&done.failed)))
        }
        Act::Inspect {
            json,
            product: Some(id),
        } => inspect_product(shop.gates(), id, json).await,
        Act::Inspect { json, .. } => inspect(shop.gates(), json).await,
        Act::Reconcile => Ok(match gates.reconcile().await? {
            Some(done) => (reconciled(&done), unless_failed(&done.failed)),
            None => {
                let text = "a server is reconciling the gates\n".to_owned();
                (text, ExitCode::SUCCESS)
            }
        }),
    }
}

/// Prints why gates could not be read or written, each with its product. Returns the exit code.
fn unless_failed(failed: &[GateFailure]) -> ExitCode {
    for failure in failed {
        output::note(format_args!("doorbuster redis: {failure}"));
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn inspect(gates: Gates<'_>, json: bool) -> Result<(String, ExitCode), CommandError> {
    let inspected = gates.inspect().await?;
    let reports = &inspected.gates;
    let readable = unless_failed(&inspected.failed);
    let text = if json {
        let gates: Vec<_> = reports.iter().map(GateJson::of).collect();
        serde_json::to_string_pretty(&gates)? + "\n"
    } else {
        reports.iter().map(|report| format!("{report}\n")).collect()
    };
    let code = if reports.iter().any(GateReport::is_violation) {
        ExitCode::from(EXIT_BROKEN)
    } else {
        readable
    };
    Ok((text, code))
}

async fn inspect_product(
    gates: Gates<'_>,
    id: i64,
    json: bool,
) -> Result<(String, ExitCode), CommandError> {
    let found = gates.inspect_product(id).await?;
    let text = if json {
        serde_json::to_string_pretty(&ProductJson::of(&found))? + "\n"
    } else {
        product_text(&found)
    };
    let code = if found.gate.as_ref().is_some_and(GateReport::is_violation) {
        ExitCode::from(EXIT_BROKEN)
    } else {
        ExitCode::SUCCESS
    };
    Ok((text, code))
}

fn product_text(found: &ProductInspection) -> String {
    let details = &found.details;
    let facts = found
        .facts()
        .map(|(name, value)| format!("{name}: {value}\n"));
    let leases = details.leases.iter().map(|lease| format!("  {lease}\n"));
    format!(
        "{}Leases: {} of {}\n{}",
        facts.concat(),
        details.leases.len(),
        details.leases_total,
        leases.collect::<String>()
    )
}

fn reconciled(done: &Reconciliation) -> String {
    let lines: String = done
        .reconciled
        .iter()
        .map(|report| format!("{report}\n"))
        .collect();
    format!(
        "{lines}compared {}, reconciled {}, removed {}\n",
        done.compared,
        done.reconciled.len(),
        done.removed
    )
}

/// Opens the gates of a shop; `None` without `REDIS_URL`. A Redis that does not answer may do so
/// later.
pub async fn open_gate(
    settings: &RedisSettings,
    shop: &Shop,
) -> Result<Option<StockGate>, CommandError> {
    let Some(url) = settings.url()? else {
        return Ok(None);
    };
    let redis = Redis::at(url).map_err(|error| WrongSetting::new(format!("REDIS_URL: {error}")))?;
    let gate = shop.open_gate(redis).await?;
    // The first purchases need not wait for the connection. It logs if Redis is unavailable.
    let _ = gate.redis().incarnation().await;
    Ok(Some(gate))
}

/// The same for a command that has no shop yet.
pub async fn open_gate_on(
    settings: &RedisSettings,
    database: &OpenDatabase,
) -> Result<Option<StockGate>, CommandError> {
    if !settings.is_set() {
        return Ok(None);
    }
    let db = database.pool(PoolSettings::COMMAND).await?;
    let gate = open_gate(settings, &Shop::new(db.clone(), Feed::default())).await;
    db.close().await;
    gate
}

/// A gate in the format of `redis inspect --json`.
#[derive(Serialize)]
struct GateJson<'a> {
    product_id: i64,
    product: &'a str,
    /// The level of the row that the gate stores.
    available: i64,
    version: i64,
    /// Units of the leases that have not expired, and their number.
    leased: i64,
    leases: i64,
    /// The row; `null` if the product no longer exists.
    row_available: Option<i64>,
    row_version: Option<i64>,
    /// `null` if the gate does not differ.
    difference: Option<&'static str>,
}

impl<'a> GateJson<'a> {
    fn of(report: &'a GateReport) -> Self {
        Self {
            product_id: report.product_id,
            product: &report.product_name,
            available: report.gate.level.available,
            version: report.gate.level.version,
            leased: report.gate.active,
            leases: report.gate.leases,
            row_available: report.row.map(|row| row.available),
            row_version: report.row.map(|row| row.version),
            difference: report.difference.map(Difference::in_words),
        }
    }
}

/// One product in the format of `redis inspect --product ID --json`.
#[derive(Serialize)]
struct ProductJson<'a> {
    product_id: i64,
    product: &'a str,
    /// `null` if the product has no gate.
    gate: Option<GateJson<'a>>,
    /// The fencing token in the row.
    row_token: i64,
    #[serde(flatten)]
    details: &'a GateDetails,
}

impl<'a> ProductJson<'a> {
    fn of(found: &'a ProductInspection) -> Self {
        Self {
            product_id: found.product_id,
            product: &found.product_name,
            gate: found.gate.as_ref().map(GateJson::of),
            row_token: found.row_token,
            details: &found.details,
        }
    }
}
