//! The simulated kernel is compared with the real one: the same calls on both, made by the library's own `sys/`, have the same answers.
//!
//! Calls, names and descriptors are chosen by a seed. Both begin with an empty directory; what is compared is everything that the library
//! looks at but for numbers of inodes, which are compared by what they are for: whether a name means an open file.

use std::fmt::Write as _;
use std::path::Path;

use crate::explore::AtRandom;
use crate::kernel::Kernel;
use crate::sim;

const NAMES: [&str; 3] = ["a", "b", "c"];
const SLOTS: usize = 5;
const CALLS: usize = 150;
const PLACE: &str = "/place";

/// One call, and what it is about.
#[derive(Clone, Copy, Debug)]
struct Call {
    which: usize,
    slot: usize,
    other: usize,
    name: &'static str,
    to: &'static str,
}

/// Makes the same calls on a simulated kernel and in `place`, an empty directory on the real one.
///
/// # Errors
///
/// The calls up to the one that was answered differently, and both answers.
pub fn agree(place: &Path, seed: u64) -> Result<(), String> {
    let mut chance = AtRandom::new(seed);
    let mut kernel = Kernel::new(0xef53);
    kernel.prepare_directory(Path::new(PLACE), 0o755);
    sim::start(kernel, None, false);
    sim::with(|world| {
        world.kernel.start(1);
        world.is_alone = true;
        world.switch_to(Some(1));
    });
    let mut simulated = simulated::Caller::new(Path::new(PLACE));
    let mut real = real::Caller::new(place);
    let mut told = format!("seed {seed}");
    for _ in 0..CALLS {
        let call = Call {
            which: chance.below(WHICH),
            slot: chance.below(SLOTS),
            other: chance.below(SLOTS),
            name: NAMES[chance.below(NAMES.len())],
            to: NAMES[chance.below(NAMES.len())],
        };
        let (ours, theirs) = (simulated.make(call), real.make(call));
        write!(told, "\n{call:?}: {theirs}").map_err(|error| error.to_string())?;
        if ours != theirs {
            return Err(format!("{told}\nsimulated: {ours}"));
        }
    }
    Ok(())
}

/// How many kinds of calls there are.
const WHICH: usize = 27;

/// The same caller over one `sys/` and the other.
macro_rules! caller {
    ($name:ident, $sys:path) => {
        mod $name {
            use std::ffi::OsStr;
            use std::fmt::Debug;
            use std::path::Path;

            use $sys as sys;

            use super::{Call, SLOTS};
            use sys::{Access, FileKind, Flock, Handle, Range};

            pub(super) struct Caller {
                directory: Handle,
                slots: [Option<Handle>; SLOTS],
            }

            fn say<T: Debug>(answer: sys::Result<T>) -> String {
                format!("{answer:?}")
            }

            /// What the library looks at; of directories only what they are.
            fn of(stat: sys::Stat) -> (String, u32, u64, u64) {
                let is_file = stat.kind == FileKind::Regular;
                let (links, size) = if is_file { (stat.links, stat.size) } else { (0, 0) };
                (format!("{:?}", stat.kind), stat.mode & 0o1700, links, size)
            }

            impl Caller {
                pub(super) fn new(place: &Path) -> Self {
                    let directory = sys::open_directory(place).expect("the place is there");
                    Self { directory, slots: Default::default() }
                }

                fn open(&mut self, call: Call, access: Access) -> String {
                    let opened = sys::open_at(&self.directory, OsStr::new(call.name), access);
                    self.keep(call, opened)
                }

                fn keep(&mut self, call: Call, opened: sys::Result<Handle>) -> String {
                    let answer = opened.map(|handle| self.slots[call.slot] = Some(handle));
                    say(answer)
                }

                pub(super) fn make(&mut self, call: Call) -> String {
                    let (name, to) = (OsStr::new(call.name), OsStr::new(call.to));
                    match call.which {
                        0 => return self.open(call, Access::Read),
                        1 | 2 => return self.open(call, Access::ReadWrite),
                        3 | 4 => return self.open(call, Access::CreateNew),
                        5 => return self.open(call, Access::CreateUnfinished),
                        6 => return self.open(call, Access::CreateShared),
                        7 => {
                            self.slots[call.slot] = None;
                            return String::new();
                        }
                        8 => return say(sys::stat_at(&self.directory, name).map(of)),
                        9 => return say(sys::rename_noreplace(&self.directory, name, to)),
                        26 => return self.move_out(call),
                        10 => return say(sys::rename_replacing(&self.directory, name, to)),
                        11 => return say(sys::rename_exchange(&self.directory, name, to)),
                        12 => return say(sys::unlink(&self.directory, name)),
                        13 if call.slot == 0 => {
                            return say(sys::make_directory(&self.directory, name, 0o700));
                        }
                        14 => return say(sys::remove_directory(&self.directory, name)),
                        15 => {
                            let opened = sys::open_directory_at(&self.directory, name);
                            return self.keep(call, opened);
                        }
                        16 => {
                            let names = sys::names_in(&self.directory, |_| true);
                            return say(names.map(|mut names| {
                                names.sort();
                                names
                            }));
                        }
                        _ => {}
                    }
                    match &self.slots[call.slot] {
                        Some(file) => self.with(file, call),
                        None => String::new(),
                    }
                }

                /// Files only: no directory is moved.
                fn move_out(&self, call: Call) -> String {
                    let (name, to) = (OsStr::new(call.name), OsStr::new(call.to));
                    let is_file =
                        sys::stat_at(&self.directory, name).is_ok_and(|stat| stat.kind == FileKind::Regular);
                    match &self.slots[call.slot] {
                        Some(into) if is_file => say(sys::move_noreplace(&self.directory, name, into, to)),
                        _ => String::new(),
                    }
                }

                fn with(&self, file: &Handle, call: Call) -> String {
                    let range = [Range::Holder, Range::Judge, Range::Both, Range::Waiter, Range::Ticket]
                        [call.other % 5];
                    match call.which {
                        17 => say(sys::stat(file).map(of)),
                        18 => {
                            let named = sys::stat_at(&self.directory, OsStr::new(call.name));
                            say(named.and_then(|named| Ok(named.id == sys::stat(file)?.id)))
                        }
                        19 => {
                            let kinds = [Flock::TryExclusive, Flock::TryShared, Flock::Unlock];
                            say(sys::flock(file, kinds[call.other % 3]))
                        }
                        20 if call.other == 4 => say(sys::try_share_range(file, range)),
                        20 => say(sys::try_lock_range(file, range)),
                        21 => say(sys::unlock_range(file, range)),
                        22 if call.other == 4 => say(sys::is_range_exclusive(file, range)),
                        22 => say(sys::is_range_locked(file, range)),
                        23 => say(sys::is_open_elsewhere(file)),
                        24 if call.other == 0 => say(sys::write_parts(file, &[b"co", b"", b"ntent"])),
                        24 => say(sys::write_start(file, &b"content"[..=call.other])),
                        25 if call.other == 0 => say(sys::change_mode(file, 0o640)),
                        25 => say(sys::read_start(file, 100)),
                        _ => say(sys::sync(file)),
                    }
                }
            }
        }
    };
}

caller!(simulated, crate::shipped::sys);
caller!(real, crate::real);
