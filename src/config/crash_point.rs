//! Named points at which a test kills this process, to check what survives. Disabled in release
//! builds.

/// The variable that names the crash point.
const VARIABLE: &str = "DOORBUSTER_CRASH_AT";

/// Kills this process with SIGKILL, like a power failure, if `DOORBUSTER_CRASH_AT` names this
/// point.
pub fn pass(point: &str, about: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    let named = std::env::var(VARIABLE).is_ok_and(|named| named == format!("{point} {about}"));
    if named {
        eprintln!("killed at: {point} {about}");
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGKILL);
    }
}
