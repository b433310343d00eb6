//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod baton_keeps_exclusion;
mod directory_replaced;
mod hostile_surroundings;
mod judging;
mod killed_at_every_call;
mod left_over_temporaries;
mod observed_under_load;
mod places_are_what_they_say;
mod stopped_in_mid_acquire;
mod swapped_while_judged;
mod unsafe_places;
mod ways_to_end;
