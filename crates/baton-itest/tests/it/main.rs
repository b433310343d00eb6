//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod command_environment;
mod command_exit_codes;
mod command_signals;
mod hostile_surroundings;
mod judging;
mod left_over_temporaries;
mod places_are_what_they_say;
mod swapped_while_judged;
mod unsafe_places;
