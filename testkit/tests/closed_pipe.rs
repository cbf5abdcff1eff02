//! Whoever reads only the beginning of what a program prints, as with `| head`, gets no complaint.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// What a shell reports of a program that SIGPIPE ended.
const NO_READER: i32 = 141;

#[test]
fn programs_end_without_a_complaint_when_nobody_reads_on() {
    let control_plane = env!("CARGO_BIN_EXE_control-plane");
    let (demo, bench) = (env!("CARGO_BIN_EXE_demo"), env!("CARGO_BIN_EXE_bench"));
    let commands: [(&str, &[&str], i32); 5] = [
        (control_plane, &[], NO_READER),
        (control_plane, &["kubectl"], NO_READER),
        (demo, &["--help"], 0),
        (bench, &["--help"], 0),
        (bench, &["help", "phases"], 0),
    ];
    for (program, arguments, expected) in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(program).args(arguments).stdout(writer).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        // The first time, it says what it builds.
        assert!(!error.contains("pipe") && !error.contains("panic"), "{program} {arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(expected), "{program} {arguments:?}");
    }
}
