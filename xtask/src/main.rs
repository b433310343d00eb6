//! What a contributor runs, as `cargo xtask VERB`.
//!
//! Each verb is a row of the table in [`verbs`] and a module that does the work.

mod bench;
mod bench_etcd;
mod cargo;
mod coverage;
mod dist;
mod fuzz;
mod node;
mod options;
mod order;
mod peers;
mod publish;
mod release;
mod run_tests;
mod stream;
mod summary;
mod tools;
mod torture;
mod transcript;
mod verbs;

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|one| one.to_string_lossy().into_owned()).collect();
    verbs::dispatch(&arguments).into()
}
