//! What is computed from the figures of this run, for more than this machine can show. All of it is linear: twice the places, twice the
//! cost. Nothing here says that a cluster bears it; a row that needs more processors than the members have says that it does not.

use crate::{
    idle::Cost,
    table::{Table, number},
};

/// A place renews four times in the time of its lease, each time by a keep-alive and a read (`docs/etcd.md`, *Renewal*).
const REQUESTS_IN_A_LEASE: f64 = 8.0;

/// etcd looks for leases that have run out every half second, and revokes a thousand in a second at most (`leaseRevokeRate`).
const NOTICED: f64 = 0.5;
const REVOKED_IN_A_SECOND: f64 = 1000.0;

/// What etcd's file may come to unless configured otherwise, and the shorter of usual times between compactions.
const QUOTA: f64 = 2.0 * 1024.0 * 1024.0 * 1024.0;
const HOUR: f64 = 3600.0;

/// Holders and waiters alike, for some numbers of them and some leases.
pub(crate) fn places(cost: Cost) -> Table {
    let title = format!("computed from the {} locks: places (holders and waiters) on one member", cost.locks);
    let head = [
        "places",
        "lease, s",
        "requests/s",
        "etcd, % of one processor",
        "etcd's memory, MiB",
        "all of them dead, the last one free after s, at most",
    ];
    let mut table = Table::new(title, &head);
    for lease in [2.0, 10.0, 60.0] {
        for places in [1e3, 1e4, 1e5] {
            let requests = places * REQUESTS_IN_A_LEASE / lease;
            let free = lease + NOTICED + places / REVOKED_IN_A_SECOND;
            let cells = [
                places,
                lease,
                requests,
                requests * cost.request * 100.0,
                places * cost.memory / 1024.0,
                free,
            ];
            table.rows.push(cells.map(number).into());
        }
    }
    table
}

/// How long the history of acquisitions takes to fill the file that etcd has by default.
pub(crate) fn history(bytes: f64) -> Table {
    let head = ["acquisitions/s", "2 GiB are full without compaction after, h", "history of an hour, MiB"];
    let mut table = Table::new("computed from the history of one acquisition of ours", &head);
    for rate in [1.0, 10.0, 100.0, 1000.0] {
        let full = QUOTA / (bytes * rate) / HOUR;
        table.rows.push([rate, full, bytes * rate * HOUR / 1024.0 / 1024.0].map(number).into());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_places_with_ten_seconds_ask_eight_thousand_times_a_second() {
        let table = places(Cost { locks: 1, lost: 0, request: 1e-4, memory: 2.0 });
        let row = table.rows.iter().find(|row| row[0] == "10000" && row[1] == "10.0").expect("it is there");
        assert_eq!(row[2..], ["8000", "80.0", "19.5", "20.5"]);
    }

    #[test]
    fn file_of_two_gib_is_full_after_so_many_acquisitions() {
        let row = &history(1024.0).rows[0];
        assert_eq!(*row, ["1.00", "583", "3.52"]);
    }
}
