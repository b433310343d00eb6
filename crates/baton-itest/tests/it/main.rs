//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod hostile_surroundings;
mod judging;
mod left_over_temporaries;
mod places_are_what_they_say;
mod session_survives;
mod strangers_in_flock_naming;
mod swapped_while_judged;
mod taken_back;
mod unsafe_places;
