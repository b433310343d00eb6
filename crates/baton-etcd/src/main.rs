//! The command `baton` for stores that are etcd clusters; `baton` becomes this program for them.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use baton_cli::chosen::{self, Chosen, Where};
use baton_cli::failure::Failure;
use baton_etcd::{Address, Credentials, Error, EtcdStore, LEASE};
use baton_lock::store::Store;

fn main() -> ExitCode {
    baton_cli::main_with(open)
}

fn open(chosen: &Chosen) -> Result<Box<dyn Store>, Failure> {
    match &chosen.place {
        Where::Url(url) if url.starts_with("etcd") => {
            let failed = |error: Error| Failure::from(baton_lock::Error::from(error));
            let address: Address = url.parse().map_err(failed)?;
            let credentials = Credentials::from_environment().map_err(failed)?;
            let lease = chosen.lease.unwrap_or(LEASE);
            Ok(Box::new(EtcdStore::open(address, &credentials, lease).map_err(failed)?))
        }
        // Called by its own name it is the same command for all else.
        _ => chosen::directory_or_other_program(chosen),
    }
}
