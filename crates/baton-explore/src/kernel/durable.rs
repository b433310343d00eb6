//! What a power cut leaves: what was synced, and of the rest any part.
//!
//! - A directory's names are durable by its `fsync`. Of what was changed since, any calls survive and the others don't, whatever their order
//!   was. One call survives whole or not at all, a rename with both of its names: so do the filesystems that have a journal or copy on write.
//! - A file's content is durable by its `fsync`, and not by that of its directory. Otherwise it is what it was, what it is, empty, its first
//!   half, the half before zeros, or the half over what was there before.
//!
//! Files are known here by serial numbers, since the numbers of inodes are given again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::{File, Inode, Kernel, ROOT};
use crate::twin::linux::FileKind;

/// How long after a power cut the machine is started again, and how long after that somebody comes.
const BOOTING: Duration = Duration::from_secs(30);

type Serial = u64;
/// What one call made of a directory's names.
type Change = Vec<(OsString, Option<Serial>)>;

/// The disk below a kernel.
#[derive(Clone, Debug, Hash)]
pub(super) struct Disk {
    serials: BTreeMap<Inode, Serial>,
    files: BTreeMap<Serial, OnDisk>,
}

#[derive(Clone, Debug, Hash)]
struct OnDisk {
    kind: FileKind,
    mode: u32,
    durable: Vec<u8>,
    latest: Vec<u8>,
    names: BTreeMap<OsString, Serial>,
    pending: Vec<Change>,
}

/// What may go either way in a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Undecided {
    /// A call on a directory: it survives, or it doesn't.
    Call(Serial, usize),
    /// A file's content.
    Content(Serial),
}

/// How a power cut may end: in how many ways each of what is undecided.
#[derive(Clone, Debug)]
pub(crate) struct PowerCut(Vec<(Undecided, usize)>);

impl PowerCut {
    /// The numbers of ways, one for each that is undecided.
    pub(crate) fn ways(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, ways)| *ways)
    }
}

impl OnDisk {
    fn new(kind: FileKind, mode: u32) -> Self {
        Self {
            kind,
            mode,
            durable: Vec::new(),
            latest: Vec::new(),
            names: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// What its content may be: the first is what is durable.
    fn contents(&self) -> Vec<Vec<u8>> {
        let (old, new) = (&self.durable, &self.latest);
        if old == new {
            return vec![old.clone()];
        }
        let half = &new[..new.len() / 2];
        let zeros = [half, &vec![0; new.len() - half.len()]].concat();
        let over = [half, &old[half.len().min(old.len())..]].concat();
        let mut all = vec![old.clone(), new.clone(), Vec::new(), half.to_vec(), zeros, over];
        let mut known = BTreeSet::new();
        all.retain(|content| known.insert(content.clone()));
        all
    }

    /// All that its names may mean.
    fn meant(&self) -> impl Iterator<Item = Serial> {
        let pending = self.pending.iter().flatten().filter_map(|(_, means)| *means);
        self.names.values().copied().chain(pending)
    }
}

impl Disk {
    fn new() -> Self {
        let root = OnDisk::new(FileKind::Directory, 0o755);
        Self { serials: BTreeMap::from([(ROOT, 0)]), files: BTreeMap::from([(0, root)]) }
    }

    fn file_mut(&mut self, file: Inode) -> &mut OnDisk {
        self.files.get_mut(&self.serials[&file]).expect("each file has been made")
    }

    pub(super) fn made(&mut self, file: Inode, kind: FileKind, mode: u32) {
        let serial = self.files.len() as Serial;
        self.files.insert(serial, OnDisk::new(kind, mode));
        self.serials.insert(file, serial);
    }

    pub(super) fn named(&mut self, directory: Inode, changes: &[(&OsStr, Option<Inode>)]) {
        let serial = |file: Option<Inode>| file.map(|file| self.serials[&file]);
        let change = changes.iter().map(|(name, means)| ((*name).to_owned(), serial(*means))).collect();
        self.file_mut(directory).pending.push(change);
    }

    pub(super) fn written(&mut self, file: Inode, content: &[u8]) {
        content.clone_into(&mut self.file_mut(file).latest);
    }

    pub(super) fn synced(&mut self, file: Inode) {
        self.file_mut(file).settle();
    }

    /// Those that may have a name after a power cut.
    fn reachable(&self) -> BTreeSet<Serial> {
        let mut found = BTreeSet::from([0]);
        let mut left = vec![0];
        while let Some(serial) = left.pop() {
            left.extend(self.files[&serial].meant().filter(|meant| found.insert(*meant)));
        }
        found
    }

    fn undecided(&self) -> PowerCut {
        let mut all = Vec::new();
        for serial in self.reachable() {
            let file = &self.files[&serial];
            all.extend((0..file.pending.len()).map(|call| (Undecided::Call(serial, call), 2)));
            let contents = file.contents().len();
            if contents > 1 {
                all.push((Undecided::Content(serial), contents));
            }
        }
        PowerCut(all)
    }
}

impl OnDisk {
    fn settle(&mut self) {
        self.durable.clone_from(&self.latest);
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.names, change);
        }
    }
}

fn apply(names: &mut BTreeMap<OsString, Serial>, change: Change) {
    for (name, means) in change {
        match means {
            Some(file) => names.insert(name, file),
            None => names.remove(&name),
        };
    }
}

/// After a power cut.
struct Survivors<'a> {
    disk: &'a Disk,
    decided: BTreeMap<Undecided, usize>,
    numbers: BTreeMap<Serial, Inode>,
}

impl Survivors<'_> {
    fn way(&self, undecided: Undecided) -> usize {
        self.decided.get(&undecided).copied().unwrap_or(0)
    }

    /// Puts what a directory has into the kernel.
    fn restore(&mut self, kernel: &mut Kernel, serial: Serial, directory: Inode) {
        let on_disk = &self.disk.files[&serial];
        let mut names = on_disk.names.clone();
        for (number, change) in on_disk.pending.iter().enumerate() {
            if self.way(Undecided::Call(serial, number)) == 1 {
                apply(&mut names, change.clone());
            }
        }
        for (name, serial) in names {
            if let Some(&known) = self.numbers.get(&serial) {
                kernel.file_mut(known).links += 1;
                kernel.change_names(directory, &[(&name, Some(known))]);
                continue;
            }
            let file = &self.disk.files[&serial];
            let links = if file.kind == FileKind::Directory { 2 } else { 1 };
            let number = kernel.add(directory, &name, File::new(file.kind, file.mode, links, kernel.now));
            self.numbers.insert(serial, number);
            let content = file.contents().swap_remove(self.way(Undecided::Content(serial)));
            kernel.file_mut(number).bytes.clone_from(&content);
            if let Some(disk) = &mut kernel.disk {
                disk.written(number, &content);
            }
            if file.kind == FileKind::Directory {
                self.restore(kernel, serial, number);
            }
        }
    }
}

impl Kernel {
    /// From here on it is kept account of what is durable; what there is already, is. To be asked for before anything is made.
    pub(crate) fn keep_account(&mut self) {
        self.disk = Some(Disk::new());
    }

    /// Makes everything durable, as time does.
    pub(crate) fn settle(&mut self) {
        for file in self.disk.iter_mut().flat_map(|disk| disk.files.values_mut()) {
            file.settle();
        }
    }

    /// What may come of a power cut now.
    pub(crate) fn power_cut(&self) -> PowerCut {
        self.disk.as_ref().map_or(PowerCut(Vec::new()), Disk::undecided)
    }

    /// The kernel after it: nobody runs, nothing is open or locked. With all ways 0 nothing is left but what is durable.
    pub(crate) fn after(&self, cut: &PowerCut, ways: &[usize]) -> Self {
        let mut kernel = Self::new(self.magic);
        kernel.now = self.now;
        kernel.forbidden.clone_from(&self.forbidden);
        kernel.keep_account();
        if let Some(disk) = &self.disk {
            let decided = cut.0.iter().map(|(undecided, _)| *undecided).zip(ways.iter().copied()).collect();
            let mut survivors = Survivors { disk, decided, numbers: BTreeMap::new() };
            survivors.restore(&mut kernel, 0, ROOT);
        }
        kernel.starts = self.starts + 1;
        kernel.booted = self.now + BOOTING;
        kernel.now = kernel.booted + BOOTING;
        kernel.settle();
        kernel
    }

    /// Which of what is undecided went which way, in words.
    pub(crate) fn describe(&self, cut: &PowerCut, ways: &[usize]) -> String {
        let told = cut.0.iter().zip(ways).map(|((undecided, _), way)| match undecided {
            Undecided::Call(directory, call) => {
                let change = self.disk.as_ref().map(|disk| &disk.files[directory].pending[*call]);
                format!("{} {change:?}", if *way == 1 { "kept" } else { "lost" })
            }
            Undecided::Content(file) => {
                let contents = self.disk.as_ref().map(|disk| disk.files[file].contents());
                let length = contents.map_or(0, |contents| contents[*way].len());
                format!("content of {file}: way {way}, {length} bytes")
            }
        });
        told.collect::<Vec<_>>().join("; ")
    }
}
