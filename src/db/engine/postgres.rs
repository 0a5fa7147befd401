//! PostgreSQL.

pub mod errors;
pub mod pool;

/// Builds `CREATE DATABASE` with the name quoted.
pub fn create_database(name: &str) -> String {
    format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))
}
