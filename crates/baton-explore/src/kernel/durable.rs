//! What a power cut leaves: what was synced, and of all that was done since any part, in any order.
//!
//! Of a file its content may be any that it had since it was synced, of a name whatever it has meant since its directory was. A new file
//! whose name survives need not have any content. No journal is counted on that would keep two changes together.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::{Inode, Kernel, Pid};
use crate::sim::Result;

/// What of one file may come back.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct History {
    /// Contents that it had, the oldest first; the first one is on disk.
    contents: Vec<Vec<u8>>,
    /// What its names have meant since, the oldest first; the first one is on disk. Names that have not changed are not here.
    names: BTreeMap<OsString, Vec<Option<Inode>>>,
}

impl History {
    pub(super) fn created(&mut self, is_tracked: bool) {
        if is_tracked {
            self.contents.push(Vec::new());
        }
    }

    pub(super) fn written(&mut self, bytes: &[u8]) {
        self.contents.push(bytes.to_vec());
    }

    pub(super) fn renamed(&mut self, name: &OsStr, before: Option<Inode>, after: Option<Inode>) {
        self.names.entry(name.to_owned()).or_insert_with(|| vec![before]).push(after);
    }
}

impl Kernel {
    /// From here on all that was done is durable, and it is kept track of what is not.
    pub(crate) fn power_may_fail(&mut self) {
        self.is_power_cut_possible = true;
        for file in self.files.values_mut() {
            file.durable = History { contents: vec![file.bytes.clone()], names: BTreeMap::new() };
        }
    }

    /// `fsync`.
    pub(crate) fn sync(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let (_, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(rustix::io::Errno::BADF);
        }
        let (number, is_tracked) = (open.file, self.is_power_cut_possible);
        if is_tracked {
            let file = self.file_mut(number);
            file.durable = History { contents: vec![file.bytes.clone()], names: BTreeMap::new() };
            let unused: Vec<_> = self.files.keys().copied().collect();
            unused.into_iter().for_each(|file| self.forget_unused(file));
        }
        Ok(())
    }

    /// May a name that it had come back?
    pub(super) fn is_remembered(&self, file: Inode) -> bool {
        self.files.values().any(|directory| directory.durable.names.values().any(|means| means.contains(&Some(file))))
    }

    /// The power fails: all processes are gone, and what was not synced is as `choose` says, which is given how many ways there are.
    pub(crate) fn lose_power(&mut self, mut choose: impl FnMut(usize) -> usize) {
        let pids: Vec<_> = self.processes.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.end(pid));
        for file in self.files.values_mut() {
            let mut contents = std::mem::take(&mut file.durable.contents);
            if contents.len() > 1 {
                file.bytes = contents.swap_remove(choose(contents.len()));
            }
            for (name, meanings) in std::mem::take(&mut file.durable.names) {
                match meanings[choose(meanings.len())] {
                    Some(inode) => file.entries.insert(name, inode),
                    None => file.entries.remove(&name),
                };
            }
        }
        self.keep_only_what_has_a_name();
        self.power_may_fail();
    }

    /// Counts the names anew, and forgets the rest.
    fn keep_only_what_has_a_name(&mut self) {
        let mut names: BTreeMap<Inode, u64> = BTreeMap::new();
        let mut left = vec![super::ROOT];
        while let Some(directory) = left.pop() {
            for inode in self.files[&directory].entries.values() {
                let count = names.entry(*inode).or_default();
                *count += 1;
                if *count == 1 {
                    left.push(*inode);
                }
            }
        }
        self.files.retain(|inode, file| {
            if file.kind == crate::twin::linux::FileKind::Regular {
                file.links = names.get(inode).copied().unwrap_or(0);
            }
            *inode == super::ROOT || names.contains_key(inode)
        });
    }
}
