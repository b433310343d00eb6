//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod apply_killed;
mod command_damaged;
mod command_environment;
mod command_exit_codes;
mod command_flock_naming;
mod command_killed;
mod command_leaves_behind;
mod command_nesting;
mod command_pid_namespace;
mod command_recovery;
mod command_report;
mod command_signals;
mod command_status;
mod command_waiting;
mod hostile_surroundings;
mod judging;
mod left_over_temporaries;
mod places_are_what_they_say;
mod strangers_in_flock_naming;
mod swapped_while_judged;
mod taken_back;
mod unsafe_places;
