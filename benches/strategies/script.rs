//! pgbench's scripts: the statements that the shop sends for one order, with pgbench's variables
//! where orders differ.
//!
//! They are stored in `benches/pgbench/`, so that they can be read and run by hand. Every start
//! compares them with the statements that the shop sends now, so that a difference is noticed.

use std::{collections::HashMap, fmt::Write, path::PathBuf};

use doorbuster::model::StrategyKey;
use regex::{Captures, Regex};

use crate::{
    Failure,
    options::Options,
    recorder::{self, KEY, LANE_IDS, ORDER_IDS, PRODUCT_IDS, Parameter, Recording, SentStatement},
    server::Server,
};

/// The strategies that pgbench can run, with their script files.
pub type Scripts = HashMap<StrategyKey, PathBuf>;

/// Compares every script with the statements that the shop sends; with `--record`, rewrites them.
pub async fn check_or_record(server: &Server, options: &Options) -> Result<Scripts, Failure> {
    let mut scripts = Scripts::new();
    for strategy in options.strategies() {
        if strategy.row().application_part.is_some() {
            continue;
        }
        let text = render(strategy, &recorder::record(server, strategy).await?)?;
        let path = path(strategy);
        if options.record {
            std::fs::write(&path, &text)?;
            println!("{}", path.display());
        }
        match std::fs::read_to_string(&path) {
            Ok(kept) if kept == text => {
                scripts.insert(strategy, path);
            }
            Ok(_) => {
                return Err(format!(
                    "{} differs from the statements that the shop sends now; run `./makew bench --record` and review the difference",
                    path.display()
                )
                .into());
            }
            Err(error) => eprintln!(
                "bench: {strategy} is not compared with pgbench: {}: {error}; `./makew bench --record` writes the script",
                path.display()
            ),
        }
    }
    Ok(scripts)
}

fn path(strategy: StrategyKey) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pgbench"));
    folder.join(format!("{strategy}.sql"))
}

/// Renders the script of a recording. Every recording of the same code gives the same script.
fn render(strategy: StrategyKey, recording: &Recording) -> Result<String, Failure> {
    let mut text = format!(
        "-- The statements that {strategy} sends for one order, recorded by `./makew bench --record`.\n\
         -- -D product_id=… -D lane_id=… select the hot product; key gives each order its idempotency key and public id.\n\
         \\set key random(1, 9000000000000000000)\n"
    );
    let uses_order_id = |sent: &SentStatement| {
        sent.parameters
            .iter()
            .any(|parameter| matches!(parameter, Parameter::Integer(id) if ORDER_IDS.contains(id)))
    };
    for (index, sent) in recording.sent.iter().enumerate() {
        let sql = with_variables(sent, &recording.order_id)?;
        let writes_order = sql.contains("INSERT INTO \"customer_order\"");
        let order_id_is_used_later = recording.sent[index + 1..].iter().any(uses_order_id);
        let end = if writes_order && order_id_is_used_later {
            " \\gset order_"
        } else {
            ";"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{end}", sql.trim().trim_end_matches(';'));
    }
    Ok(text)
}

/// Returns the statement with each placeholder replaced by a variable, or by its value if that is
/// the same for every order.
///
/// If a statement uses a parameter twice, PostgreSQL infers its type from one of the places.
/// pgbench sends each use as a separate parameter, so there the script needs a type cast.
fn with_variables(sent: &SentStatement, order_id: &str) -> Result<String, Failure> {
    let placeholder = Regex::new(r"\$(\d+)")?;
    let repeats_parameter = placeholder.find_iter(&sent.sql).count() > sent.parameters.len();
    let mut failure = None;
    let sql = placeholder.replace_all(&sent.sql, |found: &Captures<'_>| {
        let value = found[1].parse::<usize>().ok();
        let value = value.and_then(|number| sent.parameters.get(number.checked_sub(1)?));
        match value.ok_or_else(|| "a placeholder without a value".to_owned()) {
            Ok(value) => match script_value(value, order_id) {
                Ok(text) if repeats_parameter => text + type_cast(value),
                Ok(text) => text,
                Err(error) => {
                    failure = Some(error);
                    String::new()
                }
            },
            Err(error) => {
                failure = Some(error);
                String::new()
            }
        }
    });
    match failure {
        Some(failure) => Err(format!("{}: {failure}", sent.sql).into()),
        None => Ok(sql.into_owned()),
    }
}

fn script_value(parameter: &Parameter, order_id: &str) -> Result<String, String> {
    Ok(match parameter {
        Parameter::Null => "NULL".to_owned(),
        Parameter::Bool(value) => value.to_string(),
        Parameter::Integer(id) if ORDER_IDS.contains(id) => ":order_id".to_owned(),
        Parameter::Integer(id) if PRODUCT_IDS.contains(id) => ":product_id".to_owned(),
        Parameter::Integer(id) if LANE_IDS.contains(id) => ":lane_id".to_owned(),
        Parameter::Integer(value) => value.to_string(),
        // pgbench cannot generate UUIDs: use the padded digits of the key.
        Parameter::Uuid => "lpad(:key::text, 32, '0')::uuid".to_owned(),
        Parameter::Text(text) if text == KEY => ":key".to_owned(),
        Parameter::Text(text) => literal(&text.replace(order_id, &"0".repeat(order_id.len()))),
        Parameter::Other(kind) => {
            return Err(format!("parameters of type {kind} are not supported yet"));
        }
    })
}

fn type_cast(parameter: &Parameter) -> &'static str {
    match parameter {
        Parameter::Integer(id) if *id >= LANE_IDS.start => "::bigint",
        Parameter::Text(_) => "::varchar",
        // A literal has its type already, and so has a UUID.
        _ => "",
    }
}

/// Returns an SQL string literal. pgbench also replaces variables inside strings, so a colon is
/// written as its code point.
fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    if text.contains(':') {
        let escaped = text.replace('\\', "\\\\").replace(':', "\\003A");
        format!("U&'{escaped}'")
    } else {
        format!("'{text}'")
    }
}
