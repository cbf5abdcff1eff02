//! What programs print.

use std::io::{self, ErrorKind, Write};

/// What a shell reports of a program that SIGPIPE ended.
const NO_READER: i32 = 141;

/// Prints to standard output. Once nobody reads it, as after `| head`, the program ends: at once, and without a complaint.
///
/// # Errors
/// If it cannot be written for another reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NO_READER),
        result => result,
    }
}
