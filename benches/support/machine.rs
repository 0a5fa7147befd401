//! The machine that measures, for the head of a report.

/// Returns its cores, its processor and its system.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str, between: char| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        let (_, value) = line.split_once(between)?;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let processor = value(&file("/proc/cpuinfo"), "model name", ':');
    let system = value(&file("/etc/os-release"), "PRETTY_NAME", '=');
    format!(
        "{cores} cores{}, {}",
        processor.map_or_else(String::new, |name| format!(" ({name})")),
        system.unwrap_or_else(|| std::env::consts::OS.to_owned())
    )
}
