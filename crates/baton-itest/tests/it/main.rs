//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod hostile_surroundings;
mod judging;
mod left_over_temporaries;
mod places_are_what_they_say;
mod swapped_while_judged;
mod undone;
mod unsafe_places;
