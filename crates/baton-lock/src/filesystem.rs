//! Which filesystems a lock can be trusted on.
//!
//! Kernel locks exclude everybody only where every contender asks the same kernel. On a network filesystem a lock may
//! be local to each client, emulated, or dropped with the connection; a FUSE filesystem does as its author pleased.
//! So the known local ones are listed, all others are refused by name, and whoever knows better opts in by that name.
//!
//! The numbers are those of `statfs(2)` and `linux/magic.h`.

/// Filesystems on which `flock`, open file description locks and atomic renames are the kernel's own.
const LOCAL: &[(u64, &str)] = &[
    (0xef53, "ext"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlayfs"),
    (0xf2f5_2010, "f2fs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x8584_58f6, "ramfs"),
];

/// Names for those that are refused, so that the message and the opt-in can name them.
const OTHERS: &[(u64, &str)] = &[
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smb"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd0, "lustre"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x5346_414f, "afs"),
    (0x7375_7245, "coda"),
    (0x786f_4256, "vboxsf"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x5346_544e, "ntfs"),
    (0x7366_746e, "ntfs3"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x7371_7368, "squashfs"),
    (0x9660, "iso9660"),
];

/// How far the locks of a filesystem reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every contender there is asks this kernel.
    Local,
    /// Not known, and accepted because the caller opted in by name.
    OptedIn,
}

/// The name of a filesystem by its magic number, else that number.
pub(crate) fn name(magic: u64) -> String {
    let mut known = LOCAL.iter().chain(OTHERS);
    known
        .find(|(known, _)| *known == magic)
        .map_or_else(|| format!("{magic:#x}"), |(_, name)| (*name).to_owned())
}

/// Judges a filesystem by its magic number; the error is its name, as the opt-in takes it.
pub(crate) fn judge(magic: u64, allowed: &[String]) -> Result<Reach, String> {
    if LOCAL.iter().any(|(known, _)| *known == magic) {
        return Ok(Reach::Local);
    }
    let name = name(magic);
    let is_allowed = allowed.iter().any(|allowed| {
        allowed.eq_ignore_ascii_case(&name) || allowed.eq_ignore_ascii_case(&format!("{magic:#x}"))
    });
    if is_allowed { Ok(Reach::OptedIn) } else { Err(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_filesystems_need_no_opt_in() {
        assert_eq!(judge(0xef53, &[]), Ok(Reach::Local));
        assert_eq!(judge(0x0102_1994, &[]), Ok(Reach::Local));
    }

    #[test]
    fn network_filesystem_is_refused_by_name_and_accepted_by_that_name() {
        assert_eq!(judge(0x6969, &[]), Err("nfs".to_owned()));
        assert_eq!(judge(0x6969, &["NFS".to_owned()]), Ok(Reach::OptedIn));
        assert_eq!(judge(0x6969, &["cifs".to_owned()]), Err("nfs".to_owned()));
    }

    #[test]
    fn unknown_filesystem_is_named_by_its_number() {
        assert_eq!(judge(0xabcd, &[]), Err("0xabcd".to_owned()));
        assert_eq!(judge(0xabcd, &["0xABCD".to_owned()]), Ok(Reach::OptedIn));
    }

    #[test]
    fn no_number_is_listed_twice() {
        let mut numbers: Vec<u64> = LOCAL.iter().chain(OTHERS).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), LOCAL.len() + OTHERS.len());
    }
}
