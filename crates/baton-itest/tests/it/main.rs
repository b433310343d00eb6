//! One integration binary.

mod all_declared;
mod ancestor_loses;
mod places_are_what_they_say;
