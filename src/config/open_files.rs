//! The limit of open files of this process, which also limits its open connections.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// macOS reports an unlimited hard limit, but rejects a soft limit above this one (`OPEN_MAX`).
const OPEN_FILES_OF_MACOS: rlim_t = 10_240;
/// The usual soft limit, assumed if the system does not report one.
const OPEN_FILES_USUAL: rlim_t = 1_024;

/// Raises the soft limit to the hard limit, which every process may do. Returns the soft limit that
/// is in force now.
///
/// The usual soft limit of 1,024 protects programs that use `select`; this one does not.
pub fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return OPEN_FILES_USUAL;
    };
    [hard, hard.min(OPEN_FILES_OF_MACOS)]
        .into_iter()
        .filter(|wanted| *wanted > soft)
        .find(|wanted| setrlimit(Resource::RLIMIT_NOFILE, *wanted, hard).is_ok())
        .unwrap_or(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_limit() {
        let raised = raise_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limits");
        assert_eq!(raised, soft);
        assert!(
            soft == hard || soft >= OPEN_FILES_OF_MACOS,
            "{soft} of {hard}"
        );
    }
}
