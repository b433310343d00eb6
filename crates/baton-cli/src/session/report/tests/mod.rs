//! The page tells what happened, to everybody, and nothing that was written elsewhere becomes a part of it.

mod layout;
mod style;
mod whole;
