//! The library against real etcd servers, which each test starts for itself on free ports of the loopback, and ends.

mod breaking;
mod contender;
mod holding;
mod outages;
mod sessions;

use baton_itest::etcd as servers;
