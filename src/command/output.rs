//! What a command prints. Standard output that is closed or full is an error or silence, never a
//! panic, as `println!` would be.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use crate::CommandError;

/// Writes a command's result to standard output. A reader that has closed the pipe, such as `head`,
/// has read enough: this is no error.
///
/// # Errors
/// Any other error of standard output, such as a full disk.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    unless_closed(printed)
}

/// The same for a write that was made elsewhere.
///
/// # Errors
/// As [`print`].
pub fn unless_closed(printed: io::Result<()>) -> Result<(), CommandError> {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("the result could not be written to standard output: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Writes a line for the person at the terminal to standard error. If that fails, there is no other
/// place to report it.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
