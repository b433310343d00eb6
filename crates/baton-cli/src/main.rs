//! The `baton` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    baton_cli::main()
}
