//! Trying out whether locks can be had in a store: what is asked, and what it costs.

use std::time::{Duration, Instant};

use baton_lock::doctor::{Check, Outcome};

use crate::{
    Error,
    answer::Failure,
    keys,
    member::Member,
    store::Shared,
    wire::{Empty, Status, Transaction},
};

/// How often each cost is measured; the median is told.
const TRIALS: usize = 9;

/// For one member to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// In which releases a leader that hung no longer revokes what others have renewed: those of 3.4, of 3.5, and all later ones.
const REVOKES_RIGHTLY: [(u32, u32, u32); 2] = [(3, 4, 31), (3, 5, 13)];

pub(crate) fn examine(shared: &Shared) -> Vec<Check> {
    shared.engine.block_on(async {
        let statuses = statuses(shared).await;
        let mut checks = vec![endpoints(&statuses), quorum(shared).await, writing(shared).await];
        checks.extend([lease(shared).await, version(&statuses), alarms(&statuses)]);
        checks
    })
}

/// What each member says of itself, or why not.
async fn statuses(shared: &Shared) -> Vec<(String, Result<Status, String>, Duration)> {
    let mut found = Vec::new();
    for member in shared.cluster.members() {
        let begun = Instant::now();
        let status = tokio::time::timeout(PATIENCE, status(shared, member)).await;
        let status = status.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        found.push((member.endpoint.clone(), status, begun.elapsed()));
    }
    found
}

async fn status(shared: &Shared, member: &Member) -> Result<Status, String> {
    let token = shared.cluster.login(member).await.map_err(|failure| failure.to_string())?;
    let answer = member.ask("/etcdserverpb.Maintenance/Status", Empty {}, &token).await;
    answer.map_err(|status| Failure::of(&status).to_string())
}

fn endpoints(statuses: &[(String, Result<Status, String>, Duration)]) -> Check {
    let silent: Vec<String> = statuses
        .iter()
        .filter_map(|(endpoint, status, _)| Some(format!("{endpoint}: {}", status.as_ref().err()?)))
        .collect();
    let outcome = match silent.len() {
        0 => Outcome::Works,
        count if count < statuses.len() => Outcome::Limited(format!("not of use now: {}", silent.join("; "))),
        _ => Outcome::Fails(silent.join("; ")),
    };
    let slowest = statuses.iter().filter(|(_, status, _)| status.is_ok()).map(|(_, _, time)| *time).max();
    Check { what: "every endpoint answers", outcome, cost: slowest }
}

async fn quorum(shared: &Shared) -> Check {
    let read = || async {
        let key = keys::locks(&shared.address.prefix);
        shared.cluster.read("read with a majority", keys::get(key)).await.map(drop)
    };
    measured("a majority answers a read", read).await
}

async fn writing(shared: &Shared) -> Check {
    let key = keys::trial(&shared.address.prefix);
    let write = || async {
        let (put, delete) = (keys::putting(key.clone(), Vec::new(), 0), keys::deleting(key.clone()));
        for operation in [put, delete] {
            let transaction = Transaction { success: vec![operation], ..Transaction::default() };
            shared.cluster.commit("write below the prefix", transaction).await?;
        }
        Ok(())
    };
    measured("a key below the prefix can be put and deleted", write).await
}

async fn measured<F>(what: &'static str, trial: impl Fn() -> F) -> Check
where
    F: Future<Output = Result<(), Error>>,
{
    let mut times = Vec::new();
    for _ in 0..TRIALS {
        let begun = Instant::now();
        if let Err(error) = trial().await {
            return Check { what, outcome: Outcome::Fails(error.to_string()), cost: None };
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Check { what, outcome: Outcome::Works, cost: times.get(TRIALS / 2).copied() }
}

/// Is the lease granted as it is asked for? etcd grants no less than one and a half election timeouts.
async fn lease(shared: &Shared) -> Check {
    let what = "a lease is granted as it is asked for";
    let asked = i64::try_from(shared.lease.as_secs()).unwrap_or(i64::MAX);
    let outcome = match shared.cluster.grant(asked).await {
        Ok(granted) => {
            let _ = shared.cluster.revoke(granted.id).await;
            if granted.ttl == asked {
                Outcome::Works
            } else {
                Outcome::Limited(format!("{asked} s were asked for, {} s are granted", granted.ttl))
            }
        }
        Err(error) => Outcome::Fails(error.to_string()),
    };
    Check { what, outcome, cost: None }
}

fn version(statuses: &[(String, Result<Status, String>, Duration)]) -> Check {
    let old: Vec<String> = statuses
        .iter()
        .filter_map(|(endpoint, status, _)| {
            let version = &status.as_ref().ok()?.version;
            (!revokes_rightly(version)).then(|| format!("{endpoint} has {version}"))
        })
        .collect();
    let outcome = if old.is_empty() {
        Outcome::Works
    } else {
        Outcome::Limited(format!(
            "{}: before 3.4.31 and 3.5.13 a leader that hung for longer than a lease may have leases revoked that others renewed; \
             let what the job changes check its token",
            old.join("; ")
        ))
    };
    Check { what: "leases are revoked by the true leader only", outcome, cost: None }
}

fn revokes_rightly(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor), Some(patch)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    REVOKES_RIGHTLY
        .iter()
        .find(|(known, line, _)| (*known, *line) == (major, minor))
        .map_or((major, minor) > (3, 5), |(_, _, least)| patch >= *least)
}

fn alarms(statuses: &[(String, Result<Status, String>, Duration)]) -> Check {
    let raised: Vec<String> = statuses
        .iter()
        .filter_map(|(endpoint, status, _)| {
            let errors = &status.as_ref().ok()?.errors;
            (!errors.is_empty()).then(|| format!("{endpoint}: {}", errors.join(", ")))
        })
        .collect();
    let outcome = if raised.is_empty() { Outcome::Works } else { Outcome::Limited(raised.join("; ")) };
    Check { what: "no member has raised an alarm", outcome, cost: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_revoke_rightly_are_known() {
        for version in ["3.4.31", "3.4.40", "3.5.13", "3.6.0", "3.6.0-rc.1", "4.0.0"] {
            assert!(revokes_rightly(version), "{version}");
        }
        for version in ["3.4.23", "3.5.12", "3.3.99", "", "x"] {
            assert!(!revokes_rightly(version), "{version}");
        }
    }
}
