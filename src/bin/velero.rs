//! The `velero` command; everything is in `velero::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    velero::cli::main()
}
