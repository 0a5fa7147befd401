//! pgbench's scripts: what the shop sends for one order, with pgbench's variables where each order differs.
//!
//! They are kept in `benches/pgbench/` so that they can be read and run by hand, and compared at every start with what the shop sends now: the two
//! cannot drift apart unseen.

use std::{collections::HashMap, fmt::Write, path::PathBuf};

use doorbuster::model::StrategyKey;
use regex::{Captures, Regex};

use crate::{
    Failure,
    options::Options,
    pgbench,
    recorder::{self, KEY, LANE_IDS, ORDER_IDS, PRODUCT_IDS, Parameter, Recording, Sent},
    server::Server,
};

/// Strategies that pgbench can play, with the files that say how.
pub type Scripts = HashMap<StrategyKey, PathBuf>;

/// Compares every script with what the shop sends, or writes them anew.
pub async fn settle(server: &Server, options: &Options) -> Result<Scripts, Failure> {
    let mut scripts = Scripts::new();
    for strategy in options.strategies() {
        if pgbench::no_equal(strategy).is_some() {
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
                    "{} is not what the shop sends any more; look at what `./makew bench --record` makes of it",
                    path.display()
                )
                .into());
            }
            Err(error) => eprintln!(
                "bench: {strategy} without pgbench: {}: {error}; `./makew bench --record` writes it",
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

/// The script of a recording: the same for every recording of the same code.
fn render(strategy: StrategyKey, recording: &Recording) -> Result<String, Failure> {
    let mut text = format!(
        "-- What the strategy {strategy} sends for one order, read off the line by `./makew bench --record`.\n\
         -- -D product_id=… -D lane_id=… name the hot product; key makes each order's idempotency key and public id.\n\
         \\set key random(1, 9000000000000000000)\n"
    );
    let names_order = |sent: &Sent| {
        sent.parameters
            .iter()
            .any(|parameter| matches!(parameter, Parameter::Integer(id) if ORDER_IDS.contains(id)))
    };
    for (index, sent) in recording.sent.iter().enumerate() {
        let sql = with_variables(sent, &recording.order_id)?;
        let writes_order = sql.contains("INSERT INTO \"customer_order\"");
        let is_asked_for = recording.sent[index + 1..].iter().any(names_order);
        let end = if writes_order && is_asked_for {
            " \\gset order_"
        } else {
            ";"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{end}", sql.trim().trim_end_matches(';'));
    }
    Ok(text)
}

/// The statement with each marker replaced by a variable or by the value that is the same for every order.
///
/// Where a statement names a parameter twice, the type that it has in one place tells the other. To pgbench each mention is a parameter by
/// itself, so there it gets its type in words.
fn with_variables(sent: &Sent, order_id: &str) -> Result<String, Failure> {
    let marker = Regex::new(r"\$(\d+)")?;
    let names_twice = marker.find_iter(&sent.sql).count() > sent.parameters.len();
    let mut failure = None;
    let sql = marker.replace_all(&sent.sql, |found: &Captures<'_>| {
        let value = found[1].parse::<usize>().ok();
        let value = value.and_then(|number| sent.parameters.get(number.checked_sub(1)?));
        match value.ok_or_else(|| "a marker without its value".to_owned()) {
            Ok(value) => match in_script(value, order_id) {
                Ok(text) if names_twice => text + type_in_words(value),
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

fn in_script(parameter: &Parameter, order_id: &str) -> Result<String, String> {
    Ok(match parameter {
        Parameter::Null => "NULL".to_owned(),
        Parameter::Bool(value) => value.to_string(),
        Parameter::Integer(id) if ORDER_IDS.contains(id) => ":order_id".to_owned(),
        Parameter::Integer(id) if PRODUCT_IDS.contains(id) => ":product_id".to_owned(),
        Parameter::Integer(id) if LANE_IDS.contains(id) => ":lane_id".to_owned(),
        Parameter::Integer(value) => value.to_string(),
        // pgbench makes no UUIDs: the key's digits, filled up.
        Parameter::Uuid => "lpad(:key::text, 32, '0')::uuid".to_owned(),
        Parameter::Text(text) if text == KEY => ":key".to_owned(),
        Parameter::Text(text) => literal(&text.replace(order_id, &"0".repeat(order_id.len()))),
        Parameter::Other(kind) => {
            return Err(format!("a parameter of type {kind} has no words yet"));
        }
    })
}

fn type_in_words(parameter: &Parameter) -> &'static str {
    match parameter {
        Parameter::Integer(id) if *id >= LANE_IDS.start => "::bigint",
        Parameter::Text(_) => "::varchar",
        // What stands there as it is has its type, and a UUID has been given one.
        _ => "",
    }
}

/// A string in SQL. pgbench looks for its variables inside of strings too, so a colon is written by its number.
fn literal(text: &str) -> String {
    let text = text.replace('\'', "''");
    if text.contains(':') {
        let escaped = text.replace('\\', "\\\\").replace(':', "\\003A");
        format!("U&'{escaped}'")
    } else {
        format!("'{text}'")
    }
}
