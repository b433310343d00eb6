//! One integration binary.

mod all_declared;
mod ancestor_failures;
mod ancestor_loses;
mod ancestor_meets_baton;
mod baton_keeps_exclusion;
mod directory_replaced;
mod flock_naming;
mod hostile_surroundings;
mod inheriting;
mod judging;
mod killed_at_every_call;
mod left_over_temporaries;
mod namespaces;
mod observed_under_load;
mod one_file_deleted;
mod places_are_what_they_say;
mod stopped_in_mid_acquire;
mod swapped_while_judged;
mod tokens;
mod two_namings;
mod unsafe_places;
mod waiting;
mod ways_to_end;
