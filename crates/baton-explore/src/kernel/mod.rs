//! A kernel, as far as the library asks one: files with names, descriptors, locks, processes.
//!
//! It is a value: two that are equal answer alike. What it does is what Linux does on a local filesystem, seen by root; that it is, is
//! checked by [`crate::conformance`] call for call. Freed inode numbers are given to the very next file, as ext4 does.
//!
//! | what | where |
//! |---|---|
//! | names, contents, descriptors | here |
//! | `flock`, locks on bytes, leases, and what can be slept for | [`locks`] |
//! | `/proc` | [`proc`] |
//! | what a power cut leaves | [`durable`] |

mod durable;
mod locks;
mod proc;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};
use std::time::Duration;

use rustix::io::Errno;

pub(crate) use durable::PowerCut;
pub(crate) use locks::{Span, Until};

use crate::sim::Result;
use crate::twin::linux::{Access, FileId, FileKind, Stat};

/// A process id.
pub(crate) type Pid = u32;
/// The number of a file.
pub(crate) type Inode = u64;
/// The number of an open file description.
pub(crate) type OpenId = u64;

/// The number of the only filesystem's device.
const DEVICE: u64 = 0x801;
const UMASK: u32 = 0o022;
const ROOT: Inode = 2;

/// The kernel.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Kernel {
    files: BTreeMap<Inode, File>,
    open: BTreeMap<OpenId, Open>,
    processes: BTreeMap<Pid, Process>,
    /// What `statfs` says.
    pub(crate) magic: u64,
    /// The wall clock.
    pub(crate) now: Duration,
    /// When it was started, by that clock.
    pub(crate) booted: Duration,
    /// How often it was started again.
    starts: u64,
    /// A name that no directory may be made by.
    pub(crate) forbidden: Option<OsString>,
    /// What is durable, where that is kept account of.
    disk: Option<durable::Disk>,
}

#[derive(Clone, Debug, Hash)]
struct File {
    kind: FileKind,
    mode: u32,
    links: u64,
    bytes: Vec<u8>,
    entries: BTreeMap<OsString, Inode>,
    modified: Duration,
    locks: locks::Locks,
    /// Who made it, and in which round of his.
    author: (Pid, u32),
}

#[derive(Clone, Debug, Hash)]
struct Open {
    file: Inode,
    writes: bool,
    /// Opened by `O_PATH`: a place, not a file.
    is_path: bool,
    copies: u32,
    /// Not a file, but what becomes readable by [`Kernel::set_event`].
    event: Option<bool>,
}

#[derive(Clone, Debug, Default, Hash)]
struct Process {
    descriptors: BTreeMap<i32, OpenId>,
    is_alive: bool,
    /// How many random numbers it has had.
    randoms: u64,
    round: u32,
}

impl Kernel {
    /// One with an empty root directory, on a filesystem of that magic number.
    pub(crate) fn new(magic: u64) -> Self {
        let mut kernel = Self {
            files: BTreeMap::new(),
            open: BTreeMap::new(),
            processes: BTreeMap::new(),
            magic,
            now: Duration::from_secs(1_700_000_000),
            booted: Duration::from_secs(1_699_000_000),
            starts: 0,
            forbidden: None,
            disk: None,
        };
        kernel.files.insert(ROOT, File::new(FileKind::Directory, 0o755, 2, kernel.now));
        kernel
    }

    /// Starts a process.
    pub(crate) fn start(&mut self, pid: Pid) {
        self.processes.insert(pid, Process { is_alive: true, ..Process::default() });
    }

    /// Ends a process, in whatever way: all of its descriptors are closed.
    pub(crate) fn end(&mut self, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.is_alive = false;
        for open in std::mem::take(&mut process.descriptors).into_values() {
            self.drop_open(open);
        }
    }

    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|process| process.is_alive)
    }

    /// Starts a process that inherits all descriptors of another.
    pub(crate) fn fork(&mut self, parent: Pid, child: Pid) {
        let Some(process) = self.processes.get(&parent).cloned() else { return };
        for open in process.descriptors.values() {
            if let Some(open) = self.open.get_mut(open) {
                open.copies += 1;
            }
        }
        self.processes.insert(child, process);
    }

    /// Begins another round of a process: what it makes from here on is told apart from what it made before.
    pub(crate) fn next_round(&mut self, pid: Pid) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.round += 1;
        }
    }

    /// Who made this file, and in which round.
    pub(crate) fn author(&self, file: Inode) -> Option<(Pid, u32)> {
        self.files.get(&file).map(|file| file.author)
    }

    pub(crate) fn round(&self, pid: Pid) -> u32 {
        self.processes.get(&pid).map_or(0, |process| process.round)
    }

    /// How many descriptors a process has.
    pub(crate) fn descriptors(&self, pid: Pid) -> usize {
        self.processes.get(&pid).map_or(0, |process| process.descriptors.len())
    }

    /// Makes a directory by its path, for the beginning.
    pub(crate) fn prepare_directory(&mut self, path: &Path, mode: u32) {
        let mut at = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            at = match self.files[&at].entries.get(name) {
                Some(&known) => known,
                None => self.add(at, name, File::new(FileKind::Directory, mode, 2, self.now)),
            };
        }
    }

    /// What has a path, if anything.
    pub(crate) fn resolve(&self, path: &Path) -> Option<Inode> {
        path.components().try_fold(ROOT, |at, component| match component {
            Component::Normal(name) => self.files.get(&at)?.entries.get(name).copied(),
            _ => Some(at),
        })
    }

    /// The content of a file.
    pub(crate) fn bytes(&self, file: Inode) -> &[u8] {
        self.files.get(&file).map_or(&[], |file| &file.bytes)
    }

    /// The names in the directory that has a path.
    pub(crate) fn names(&self, path: &Path) -> Vec<OsString> {
        let directory = self.resolve(path).and_then(|at| self.files.get(&at));
        directory.map(|directory| directory.entries.keys().cloned().collect()).unwrap_or_default()
    }

    fn add(&mut self, directory: Inode, name: &OsStr, file: File) -> Inode {
        let number = (ROOT..Inode::MAX)
            .find(|number| !self.files.contains_key(number))
            .expect("there are more numbers");
        if file.kind == FileKind::Directory {
            self.file_mut(directory).links += 1;
        }
        if let Some(disk) = &mut self.disk {
            disk.made(number, file.kind, file.mode);
        }
        self.files.insert(number, file);
        self.change_names(directory, &[(name, Some(number))]);
        number
    }

    /// Lets names of a directory mean other files, or nothing, in one step.
    fn change_names(&mut self, directory: Inode, changes: &[(&OsStr, Option<Inode>)]) {
        let now = self.now;
        if let Some(disk) = &mut self.disk {
            disk.named(directory, changes);
        }
        let directory = self.file_mut(directory);
        for (name, means) in changes {
            match means {
                Some(file) => directory.entries.insert((*name).to_owned(), *file),
                None => directory.entries.remove(*name),
            };
        }
        directory.modified = now;
    }

    fn file_mut(&mut self, file: Inode) -> &mut File {
        self.files.get_mut(&file).expect("what is open or has a name is there")
    }

    fn opened(&self, pid: Pid, descriptor: i32) -> Result<(OpenId, &Open)> {
        let id = self.processes.get(&pid).and_then(|process| process.descriptors.get(&descriptor));
        let id = *id.ok_or(Errno::BADF)?;
        Ok((id, &self.open[&id]))
    }

    fn file_of(&self, pid: Pid, descriptor: i32) -> Result<Inode> {
        Ok(self.opened(pid, descriptor)?.1.file)
    }

    fn directory_of(&self, pid: Pid, descriptor: i32) -> Result<Inode> {
        let file = self.file_of(pid, descriptor)?;
        if self.files[&file].kind == FileKind::Directory { Ok(file) } else { Err(Errno::NOTDIR) }
    }

    /// Is it a directory's, or no file's at all?
    pub(crate) fn is_directory(&self, pid: Pid, descriptor: i32) -> bool {
        self.opened(pid, descriptor)
            .is_ok_and(|(_, open)| open.event.is_none() && self.files[&open.file].kind == FileKind::Directory)
    }

    pub(crate) fn is_directory_path(&self, path: &Path) -> bool {
        self.resolve(path).is_some_and(|file| self.files[&file].kind == FileKind::Directory)
    }

    fn entry(&self, directory: Inode, name: &OsStr) -> Result<Inode> {
        self.files[&directory].entries.get(name).copied().ok_or(Errno::NOENT)
    }

    fn new_descriptor(&mut self, pid: Pid, open: Open) -> i32 {
        let own = u64::from(pid) << 8;
        let id = (own..OpenId::MAX).find(|id| !self.open.contains_key(id)).expect("there are more numbers");
        self.open.insert(id, open);
        let process = self.processes.entry(pid).or_default();
        let number = (3..i32::MAX)
            .find(|number| !process.descriptors.contains_key(number))
            .expect("there are more numbers");
        process.descriptors.insert(number, id);
        number
    }

    fn open_file(&mut self, pid: Pid, file: Inode, writes: bool, is_path: bool) -> i32 {
        self.new_descriptor(pid, Open { file, writes, is_path, copies: 1, event: None })
    }

    fn drop_open(&mut self, id: OpenId) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.copies -= 1;
        if open.copies > 0 {
            return;
        }
        let (file, is_event) = (open.file, open.event.is_some());
        self.open.remove(&id);
        if !is_event {
            self.file_mut(file).locks.forget(id);
            self.forget_unused(file);
        }
    }

    /// Frees a file that has neither a name nor anybody who has it open.
    fn forget_unused(&mut self, file: Inode) {
        let is_gone = self.files.get(&file).is_some_and(|known| known.links == 0);
        if is_gone && !self.open.values().any(|open| open.file == file && open.event.is_none()) {
            self.files.remove(&file);
        }
    }

    /// Takes one name from a file.
    fn unnamed(&mut self, file: Inode) {
        self.file_mut(file).links -= 1;
        self.forget_unused(file);
    }

    pub(crate) fn close(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let process = self.processes.get_mut(&pid).ok_or(Errno::BADF)?;
        let open = process.descriptors.remove(&descriptor).ok_or(Errno::BADF)?;
        self.drop_open(open);
        Ok(())
    }

    pub(crate) fn open_path(&mut self, pid: Pid, path: &Path, is_path: bool) -> Result<i32> {
        let file = self.resolve(path).ok_or(Errno::NOENT)?;
        if self.files[&file].kind != FileKind::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(self.open_file(pid, file, false, is_path))
    }

    pub(crate) fn open_at(&mut self, pid: Pid, dir: i32, name: &OsStr, access: Access) -> Result<i32> {
        let directory = self.directory_of(pid, dir)?;
        let known = self.entry(directory, name).ok();
        let (writes, creates) = match access {
            Access::Read => (false, None),
            Access::ReadWrite => (true, None),
            Access::CreateNew => (true, Some(0o600)),
            Access::CreateUnfinished => (true, Some(0o1600)),
            Access::CreateShared => (false, Some(0o666)),
        };
        let file = match (known, creates) {
            (Some(_), Some(_)) => return Err(Errno::EXIST),
            (Some(file), None) => file,
            (None, None) => return Err(Errno::NOENT),
            (None, Some(mode)) => {
                self.must_be_named(directory)?;
                let mut file = File::new(FileKind::Regular, mode & !UMASK, 1, self.now);
                file.author = (pid, self.round(pid));
                self.add(directory, name, file)
            }
        };
        match self.files[&file].kind {
            FileKind::Directory if writes => return Err(Errno::ISDIR),
            FileKind::Symlink => return Err(Errno::LOOP),
            _ => {}
        }
        if self.files[&file].locks.is_leased() {
            return Err(Errno::AGAIN);
        }
        Ok(self.open_file(pid, file, writes, false))
    }

    fn must_be_named(&self, directory: Inode) -> Result<()> {
        if self.files[&directory].links == 0 { Err(Errno::NOENT) } else { Ok(()) }
    }

    pub(crate) fn stat(&self, pid: Pid, descriptor: i32) -> Result<Stat> {
        Ok(self.stat_of(self.file_of(pid, descriptor)?))
    }

    pub(crate) fn stat_at(&self, pid: Pid, dir: i32, name: &OsStr) -> Result<Stat> {
        let directory = self.directory_of(pid, dir)?;
        Ok(self.stat_of(self.entry(directory, name)?))
    }

    pub(crate) fn stat_path(&self, path: &Path) -> Result<Stat> {
        if path.starts_with("/proc") {
            return self.stat_in_proc(path);
        }
        Ok(self.stat_of(self.resolve(path).ok_or(Errno::NOENT)?))
    }

    pub(crate) fn stat_of(&self, number: Inode) -> Stat {
        let file = &self.files[&number];
        Stat {
            id: FileId { device: DEVICE, inode: number },
            kind: file.kind,
            owner: 0,
            group: 0,
            mode: file.mode,
            links: file.links,
            size: file.bytes.len() as u64,
            modified: file.modified,
        }
    }

    pub(crate) fn read_at(&self, pid: Pid, descriptor: i32, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let (_, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = &self.files[&open.file];
        if file.kind == FileKind::Directory {
            return Err(Errno::ISDIR);
        }
        let from = usize::try_from(offset).map_err(|_| Errno::INVAL)?.min(file.bytes.len());
        let length = buffer.len().min(file.bytes.len() - from);
        buffer[..length].copy_from_slice(&file.bytes[from..from + length]);
        Ok(length)
    }

    pub(crate) fn write_at(&mut self, pid: Pid, descriptor: i32, bytes: &[u8], offset: u64) -> Result<usize> {
        let (_, open) = self.opened(pid, descriptor)?;
        if open.is_path || !open.writes {
            return Err(Errno::BADF);
        }
        let from = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
        let (number, now) = (open.file, self.now);
        let file = self.file_mut(number);
        let end = from + bytes.len();
        if file.bytes.len() < end {
            file.bytes.resize(end, 0);
        }
        file.bytes[from..end].copy_from_slice(bytes);
        file.modified = now;
        if let Some(disk) = &mut self.disk {
            disk.written(number, &self.files[&number].bytes);
        }
        Ok(bytes.len())
    }

    /// Both are a directory and a name in it.
    pub(crate) fn move_noreplace(&mut self, pid: Pid, from: (i32, &OsStr), to: (i32, &OsStr)) -> Result<()> {
        let (old, new) = (self.directory_of(pid, from.0)?, self.directory_of(pid, to.0)?);
        let file = self.entry(old, from.1)?;
        self.must_be_named(new)?;
        if self.entry(new, to.1).is_ok() {
            return Err(Errno::EXIST);
        }
        if old == new {
            self.change_names(old, &[(from.1, None), (to.1, Some(file))]);
        } else {
            self.change_names(new, &[(to.1, Some(file))]);
            self.change_names(old, &[(from.1, None)]);
        }
        Ok(())
    }

    pub(crate) fn rename_replacing(&mut self, pid: Pid, dir: i32, from: &OsStr, to: &OsStr) -> Result<()> {
        let directory = self.directory_of(pid, dir)?;
        let file = self.entry(directory, from)?;
        let replaced = self.entry(directory, to).ok();
        if replaced == Some(file) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            match (self.files[&file].kind, self.files[&replaced].kind) {
                (FileKind::Directory, FileKind::Directory) => {
                    if !self.files[&replaced].entries.is_empty() {
                        return Err(Errno::NOTEMPTY);
                    }
                    self.file_mut(replaced).links = 1;
                    self.file_mut(directory).links -= 1;
                }
                (FileKind::Directory, _) => return Err(Errno::NOTDIR),
                (_, FileKind::Directory) => return Err(Errno::ISDIR),
                _ => {}
            }
        }
        self.change_names(directory, &[(from, None), (to, Some(file))]);
        if let Some(replaced) = replaced {
            self.unnamed(replaced);
        }
        Ok(())
    }

    pub(crate) fn rename_exchange(&mut self, pid: Pid, dir: i32, one: &OsStr, other: &OsStr) -> Result<()> {
        let directory = self.directory_of(pid, dir)?;
        let (first, second) = (self.entry(directory, one)?, self.entry(directory, other)?);
        self.change_names(directory, &[(one, Some(second)), (other, Some(first))]);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, pid: Pid, dir: i32, name: &OsStr) -> Result<()> {
        let directory = self.directory_of(pid, dir)?;
        let file = self.entry(directory, name)?;
        if self.files[&file].kind == FileKind::Directory {
            return Err(Errno::ISDIR);
        }
        self.change_names(directory, &[(name, None)]);
        self.unnamed(file);
        Ok(())
    }

    /// A user removes a file by its path; was there one?
    pub(crate) fn delete(&mut self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let Some(directory) = self.resolve(parent) else { return false };
        let Ok(file) = self.entry(directory, name) else { return false };
        self.change_names(directory, &[(name, None)]);
        self.unnamed(file);
        true
    }

    pub(crate) fn change_mode(&mut self, pid: Pid, descriptor: i32, mode: u32) -> Result<()> {
        let (_, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = open.file;
        self.file_mut(file).mode = mode & 0o7777;
        Ok(())
    }

    /// `fsync`.
    pub(crate) fn sync(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let (_, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = open.file;
        if let Some(disk) = &mut self.disk {
            disk.synced(file);
        }
        Ok(())
    }

    pub(crate) fn touch(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let (file, now) = (self.file_of(pid, descriptor)?, self.now);
        self.file_mut(file).modified = now;
        Ok(())
    }

    pub(crate) fn make_directory(&mut self, pid: Pid, dir: i32, name: &OsStr, mode: u32) -> Result<()> {
        let directory = self.directory_of(pid, dir)?;
        if self.entry(directory, name).is_ok() {
            return Err(Errno::EXIST);
        }
        if self.forbidden.as_deref() == Some(name) {
            return Err(Errno::ACCESS);
        }
        self.must_be_named(directory)?;
        self.add(directory, name, File::new(FileKind::Directory, mode & !UMASK, 2, self.now));
        Ok(())
    }

    pub(crate) fn open_directory_at(&mut self, pid: Pid, dir: i32, name: &OsStr) -> Result<i32> {
        let directory = self.directory_of(pid, dir)?;
        let file = self.entry(directory, name)?;
        match self.files[&file].kind {
            FileKind::Directory => Ok(self.open_file(pid, file, false, false)),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(crate) fn remove_directory(&mut self, pid: Pid, dir: i32, name: &OsStr) -> Result<()> {
        let directory = self.directory_of(pid, dir)?;
        let file = self.entry(directory, name)?;
        if self.files[&file].kind != FileKind::Directory {
            return Err(Errno::NOTDIR);
        }
        if !self.files[&file].entries.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.change_names(directory, &[(name, None)]);
        self.file_mut(directory).links -= 1;
        self.file_mut(file).links = 1;
        self.unnamed(file);
        Ok(())
    }

    pub(crate) fn names_in(&self, pid: Pid, dir: i32) -> Result<BTreeSet<OsString>> {
        let directory = self.directory_of(pid, dir)?;
        Ok(self.files[&directory].entries.keys().cloned().collect())
    }

    /// A number that no other process has, and this one not again.
    pub(crate) fn random(&mut self, pid: Pid) -> u64 {
        let process = self.processes.entry(pid).or_default();
        process.randoms += 1;
        (self.starts << 32) | (u64::from(pid) << 16) | process.randoms
    }

    pub(crate) fn event(&mut self, pid: Pid) -> i32 {
        let open = Open { file: ROOT, writes: true, is_path: false, copies: 1, event: Some(false) };
        self.new_descriptor(pid, open)
    }

    pub(crate) fn set_event(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let (id, _) = self.opened(pid, descriptor)?;
        if let Some(open) = self.open.get_mut(&id) {
            open.event = Some(true);
        }
        Ok(())
    }
}

impl File {
    fn new(kind: FileKind, mode: u32, links: u64, modified: Duration) -> Self {
        Self {
            kind,
            mode,
            links,
            bytes: Vec::new(),
            entries: BTreeMap::new(),
            modified,
            locks: locks::Locks::default(),
            author: (0, 0),
        }
    }
}
