//! The mutants: the shipped code with one thing wrong, each of which the exploration has to catch.
//!
//! All are compiled in one build, and which of them runs is chosen at run time. `build.rs` reads this file too, and fails if a piece of the
//! library's source that is changed here is not found there, once.

/// One way in which the code could be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What it is called.
    pub name: &'static str,
    /// What is wrong.
    pub about: &'static str,
    /// What is changed.
    pub changes: &'static [Change],
    /// By which case it is caught.
    pub caught_by: &'static str,
    /// And how: what the violation begins with.
    pub breaks: &'static str,
}

/// A piece of the library's source, and what stands for it in the mutant: an expression or statements for the same, or, if `BROKEN` is in it,
/// what stands there for both, where `BROKEN` is whether the mutant runs.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Below `crates/baton-lock/src`.
    pub file: &'static str,
    /// As it stands there.
    pub shipped: &'static str,
    /// What stands for it.
    pub broken: &'static str,
}

const fn change(file: &'static str, shipped: &'static str, broken: &'static str) -> Change {
    Change { file, shipped, broken }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "named-before-locked",
        about: "the record gets its name, and then its lock",
        changes: &[
            change(
                "lock/publish.rs",
                "let locked = match claim {",
                "let locked = match claim {\n            _ if BROKEN => Ok(true),",
            ),
            change(
                "lock/publish.rs",
                "Ok(true) => Ok(Publication::Done(born)),",
                "Ok(true) => {\n                if BROKEN {\n                    let _ = sys::try_lock_range(&born.handle, Range::Holder);\n                }\n                Ok(Publication::Done(born))\n            }",
            ),
        ],
        caught_by: "first",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "ticket-named-before-locked",
        about: "the same of a ticket that becomes a record",
        changes: &[change(
            "lock/ticket.rs",
            "sys::try_lock_range(&self.handle, Range::Holder) != Ok(true)",
            "!BROKEN && sys::try_lock_range(&self.handle, Range::Holder) != Ok(true)",
        )],
        caught_by: "handed-on",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "ticket-named-unwritten",
        about: "a ticket becomes a record with what it says of a waiter",
        changes: &[change(
            "lock/ticket.rs",
            "let filled = sys::write_start(&self.handle, json)",
            "let filled = if BROKEN { Ok(()) } else { sys::write_start(&self.handle, json) }",
        )],
        caught_by: "handed-on",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "named-before-written",
        about: "the record gets its name, and then its content",
        changes: &[
            change(
                "lock/publish.rs",
                "sys::write_start(handle, json)?;",
                "if !BROKEN {\n            sys::write_start(handle, json)?;\n        }",
            ),
            change(
                "lock/publish.rs",
                "};\n        self.conclude(&temporary, born, named)",
                "};\n        if BROKEN {\n            let _ = sys::write_start(&born.handle, json);\n        }\n        self.conclude(&temporary, born, named)",
            ),
        ],
        caught_by: "first",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "record-not-locked",
        about: "the record is not locked: the guard has to do",
        changes: &[change(
            "lock/publish.rs",
            "Ok(true) => self.fill(&handle, json),",
            "Ok(true) => {\n                if BROKEN {\n                    let _ = sys::unlock_range(&handle, Range::Holder);\n                }\n                self.fill(&handle, json)\n            }",
        )],
        caught_by: "first",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "guard-not-locked",
        about: "the guard is not locked: the record has to do",
        changes: &[change(
            "lock/guard.rs",
            "match sys::flock(&self.handle, operation) {",
            "match if BROKEN { sys::stat(&self.handle).map(drop) } else { sys::flock(&self.handle, operation) } {",
        )],
        caught_by: "first",
        breaks: "I4 tokens grow",
    },
    Mutant {
        name: "unlocked-before-removed",
        about: "release unlocks both, and then removes the record",
        changes: &[change(
            "lock/held.rs",
            "self.end_record(end)",
            "if let Some((born, _)) = &self.published { born.unlock(); } self.guard.unlock(); self.end_record(end)",
        )],
        caught_by: "first",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "judged-unlocked",
        about: "judging takes no lock: byte 1 is left out",
        changes: &[change(
            "lock/judge.rs",
            "!sys::try_lock_range(&handle, Range::Judge).map_err(failed)?",
            "false",
        )],
        caught_by: "three-guard-deleted",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "guard-not-looked-at-again",
        about: "step 7 does not look at the guard's name",
        changes: &[change(
            "lock/acquire.rs",
            "directory.means(&names.guard, &guard.handle, guard.id)?\n        && published",
            "(BROKEN || directory.means(&names.guard, &guard.handle, guard.id)?)\n        && published",
        )],
        caught_by: "guard-deleted",
        breaks: "I4 tokens grow",
    },
    Mutant {
        name: "token-forgotten",
        about: "the guard is not told the token",
        changes: &[change(
            "lock/acquire.rs",
            "token::store(token, guard.get(), directory, &setup.names, setup.naming)?;",
            "",
        )],
        caught_by: "first",
        breaks: "I4 tokens grow",
    },
    Mutant {
        name: "removed-at-unclean-end",
        about: "an unclean end removes the record",
        changes: &[change(
            "lock/held.rs",
            "(End::Unclean, _) => Ok(()),",
            "(End::Unclean, _) if BROKEN => desk.try_remove_own(born),\n            (End::Unclean, _) => Ok(()),",
        )],
        caught_by: "ends",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "undone-by-removal",
        about: "what is undone is removed, whatever it had replaced",
        changes: &[change(
            "lock/held.rs",
            "(End::Undone, _) => {",
            "(End::Undone, _) if BROKEN => desk.try_remove_own(born),\n            (End::Undone, _) => {",
        )],
        caught_by: "ends",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "released-record-removed",
        about: "flock naming: a clean end removes the record, and with it the token",
        changes: &[change(
            "lock/held.rs",
            "(End::Clean, Naming::Record) => desk.try_remove_own(born),",
            "(End::Clean, naming) if BROKEN || naming == Naming::Record => desk.try_remove_own(born),\n            (End::Clean, Naming::Record) => unreachable!(),",
        )],
        caught_by: "flock-naming",
        breaks: "I4 tokens grow",
    },
    Mutant {
        name: "guard-closed-only",
        about: "unlocking the guard is left to closing, and a job has copies",
        changes: &[change("lock/guard.rs", "let _ = sys::flock(&self.handle, Flock::Unlock);", "")],
        caught_by: "many",
        breaks: "I5 nobody is stuck",
    },
    Mutant {
        name: "not-taken-back",
        about: "what step 7 finds out of place stays published",
        changes: &[change(
            "lock/acquire.rs",
            "setup.desk(directory, guard.get()).put_back(born, found, &acquired.record);",
            "",
        )],
        caught_by: "alone",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "taken-back-by-removal",
        about: "step 7 removes its record, whatever that replaced",
        changes: &[change("lock/publish.rs", "Some(bytes.clone())", "None")],
        caught_by: "alone",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "left-after-a-failed-look",
        about: "a look that fails after the exchange leaves it exchanged",
        changes: &[change(
            "lock/publish.rs",
            "let _ = self.give_back(temporary);\n                Err",
            "if !BROKEN {\n                    let _ = self.give_back(temporary);\n                }\n                Err",
        )],
        caught_by: "alone",
        breaks: "I3 the story is told",
    },
    Mutant {
        name: "unfinished-unmarked",
        about: "an unfinished record is not told from an ancestor's",
        changes: &[change(
            "lock/publish.rs",
            "stat.mode & UNFINISHED != 0;",
            "!BROKEN && stat.mode & UNFINISHED != 0;",
        )],
        caught_by: "unfinished",
        breaks: "I5 nobody is stuck",
    },
    Mutant {
        name: "not-swept",
        about: "what crashed publishers left is left there",
        changes: &[change(
            "lock/acquire.rs",
            "if desk.sweep(&departed)? => continue",
            "if !BROKEN && desk.sweep(&departed)? => continue",
        )],
        caught_by: "takeover",
        breaks: "something is left lying about",
    },
    Mutant {
        name: "short-write-believed",
        about: "a write that did only a part is taken for whole",
        changes: &[change(
            "sys/mod.rs",
            "while written < bytes.len() {",
            "while if BROKEN { written == 0 } else { written < bytes.len() } {",
        )],
        caught_by: "alone",
        breaks: "I2 born locked",
    },
    Mutant {
        name: "interrupted-call-fails",
        about: "a call that a signal interrupts is not made again",
        changes: &[change("sys/mod.rs", "Err(Errno::INTR) => {}", "Err(Errno::INTR) if !BROKEN => {}")],
        caught_by: "alone",
        breaks: "the way out",
    },
    Mutant {
        name: "dead-called-busy",
        about: "a record that nobody has locked counts as held",
        changes: &[change(
            "lock/judge.rs",
            "Ok(Verdict::Departed(departed))\n        }\n        // In flock",
            "Ok(if BROKEN { Verdict::Busy(State::Held, None) } else { Verdict::Departed(departed) })\n        }\n        // In flock",
        )],
        caught_by: "takeover",
        breaks: "I5 nobody is stuck",
    },
    Mutant {
        name: "failed-and-kept",
        about: "an attempt that fails keeps the guard open and locked",
        changes: &[change(
            "lock/acquire.rs",
            "if let Some(guard) = &self.0 {\n            guard.unlock();",
            "if BROKEN {\n            std::mem::forget(self.0.take());\n        } else if let Some(guard) = &self.0 {\n            guard.unlock();",
        )],
        caught_by: "alone",
        breaks: "P1 has left",
    },
    Mutant {
        name: "content-not-synced",
        about: "a session's new file is not synced",
        changes: &[change("atomic_file/replace.rs", "sys::sync(handle)?;", "")],
        caught_by: "saved",
        breaks: "who comes is refused",
    },
    Mutant {
        name: "content-error-ignored",
        about: "that syncing the new file fails is passed over",
        changes: &[change("atomic_file/replace.rs", "sys::sync(handle)?;", "let _ = sys::sync(handle);")],
        caught_by: "saved-failing",
        breaks: "who comes is refused",
    },
    Mutant {
        name: "renamed-before-synced",
        about: "the new file gets the session's name, and then is synced",
        changes: &[
            change("atomic_file/replace.rs", "sys::sync(handle)?;", ""),
            change(
                "atomic_file/replace.rs",
                "Ok(Named::Yes) => return Ok(self.settle(new)),",
                "Ok(Named::Yes) => {\n                    if BROKEN {\n                        let _ = sys::sync(&new.handle);\n                    }\n                    return Ok(self.settle(new));\n                }",
            ),
        ],
        caught_by: "saved",
        breaks: "who comes is refused",
    },
    Mutant {
        name: "name-not-synced",
        about: "the directory is not synced after the renaming",
        changes: &[change(
            "atomic_file/replace.rs",
            "match sys::sync(&self.directory) {",
            "match if BROKEN { Ok(()) } else { sys::sync(&self.directory) } {",
        )],
        caught_by: "saved",
        breaks: "what was saved is lost",
    },
    Mutant {
        name: "name-error-ignored",
        about: "that syncing the directory fails is passed over",
        changes: &[change(
            "atomic_file/replace.rs",
            "Replacement::NotDurable(new, errno),",
            "if BROKEN { Replacement::Done(new) } else { Replacement::NotDurable(new, errno) },",
        )],
        caught_by: "saved-failing",
        breaks: "what was saved is lost",
    },
    Mutant {
        name: "written-in-place",
        about: "a session that is there is written over",
        changes: &[change(
            "atomic_file/replace.rs",
            "for _ in 0..NAMES_TRIED {\n            let (temporary, new) = self.write(parts)?;",
            "if BROKEN && current.is_some() {\n            let opened = sys::open_at(&self.directory, &self.name, Access::ReadWrite);\n            let handle = opened.map_err(|errno| self.failed(\"open\", errno))?;\n            let stat = fill(&handle, parts).map_err(|errno| self.failed(\"write\", errno))?;\n            return Ok(self.settle(Current { handle, stat }));\n        }\n        for _ in 0..NAMES_TRIED {\n            let (temporary, new) = self.write(parts)?;",
        )],
        caught_by: "saved",
        breaks: "who comes is refused",
    },
    Mutant {
        name: "session-not-swept",
        about: "what killed writers of the session left is left there",
        changes: &[change("session/file.rs", "file.sweep();", "")],
        caught_by: "saved",
        breaks: "something is left lying about",
    },
    Mutant {
        name: "directory-not-synced",
        about: "the name of the session's directory is not made durable",
        changes: &[change(
            "durable_directory.rs",
            "sys::sync(&handle)",
            "(if BROKEN { Ok(()) } else { sys::sync(&handle) })",
        )],
        caught_by: "saved",
        breaks: "what was saved is lost",
    },
    Mutant {
        name: "found-taken-for-durable",
        about: "the name of a directory that is found there is taken for durable",
        changes: &[change(
            "durable_directory.rs",
            "if !is_there {\n        make_for(asked, parent)?;\n    }",
            "if BROKEN && is_there {\n        return Ok(());\n    }\n    if !is_there {\n        make_for(asked, parent)?;\n    }",
        )],
        caught_by: "saved",
        breaks: "what was saved is lost",
    },
    Mutant {
        name: "above-not-synced",
        about: "directories that are made above the session's are not made durable",
        changes: &[change(
            "durable_directory.rs",
            "made => made.map_err(|errno| cannot_create(asked, errno))?,\n        }",
            "made => made.map_err(|errno| cannot_create(asked, errno))?,\n        }\n        if BROKEN && !path.ends_with(\"sessions\") {\n            return Ok(());\n        }",
        )],
        caught_by: "state-made",
        breaks: "what was saved is lost",
    },
];

/// The number of a mutant.
pub fn number(name: &str) -> Option<usize> {
    MUTANTS.iter().position(|mutant| mutant.name == name)
}
