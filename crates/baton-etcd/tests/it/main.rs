//! The library against real etcd servers, which each test starts for itself on free ports of the loopback, and ends.

mod breaking;
mod command;
mod contender;
mod holding;
mod identity;
mod lost_answers;
mod machines;
mod outages;
mod partitions;
mod plan_race;
mod racing;
mod sessions;
mod waiting;

use baton_itest::etcd as servers;
