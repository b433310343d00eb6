//! Directories on the filesystems that the lock is tried on.
//!
//! Locks, renames and inode numbers behave differently on ext4, tmpfs and overlayfs (inode reuse above all), so
//! tests run on each. What has to be mounted is mounted in a mount namespace of one thread: nobody else sees
//! it, and the kernel removes it with the last process in it, whichever way the test ends. That takes a privileged
//! user; where it is not allowed the reason is returned, for [`crate::skip::skip`].

use nix::sched::CloneFlags;
use rustix::fs::{FsWord, StatFs};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::ffi::CString;
use std::fmt::Display;
use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: FsWord = 0x0102_1994;
/// Room for an image and for what tests write; tmpfs takes memory only as it fills.
const SCRATCH_SIZE: &str = "size=256m,mode=0755";
/// Large enough for a journal, small enough to be made in a moment; the second for those that are not made any smaller.
const IMAGE_SIZE: u64 = 64 << 20;
const LARGE_IMAGE_SIZE: u64 = 320 << 20;

/// Far longer than any child takes to execute its program.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes a directory on the default temporary filesystem; removed with the value.
///
/// # Panics
///
/// When there is no room for one.
pub fn temporary() -> TempDir {
    TempDir::with_prefix("baton-itest-").expect("a temporary directory can be made")
}

/// Makes a directory on tmpfs, in `/dev/shm`; removed with the value.
///
/// # Errors
///
/// The reason why there is none.
pub fn tmpfs() -> Result<TempDir, String> {
    let StatFs { f_type, .. } = rustix::fs::statfs("/dev/shm").map_err(because("no `/dev/shm`"))?;
    if f_type != TMPFS {
        return Err(format!("`/dev/shm` is not tmpfs but {f_type:#x}"));
    }
    TempDir::with_prefix_in("baton-itest-", "/dev/shm").map_err(because("no directory in `/dev/shm`"))
}

/// Runs `f` on the root of an overlay filesystem whose layers are on a tmpfs, both seen by `f`'s thread and its
/// children only.
///
/// # Errors
///
/// The reason why there can be none, such as the lack of privileges. `f` did not run then.
///
/// # Panics
///
/// When `f` does.
pub fn on_overlay<T: Send>(f: impl FnOnce(&Path) -> T + Send) -> Result<T, String> {
    on_remountable_overlay(|overlay| f(overlay.root()))
}

/// As [`on_overlay`], for who wants to mount it anew.
///
/// # Errors
///
/// As [`on_overlay`].
///
/// # Panics
///
/// When `f` does.
pub fn on_remountable_overlay<T: Send>(f: impl FnOnce(&Overlay) -> T + Send) -> Result<T, String> {
    in_scratch(|scratch| {
        let [lower, upper, work, merged, decoy] =
            ["lower", "upper", "work", "merged", "decoy"].map(|name| scratch.join(name));
        for directory in [&lower, &upper, &work, &merged, &decoy] {
            std::fs::create_dir(directory).map_err(because("no directory for the overlay"))?;
        }
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        mount("overlay", &merged, &options)?;
        Ok(f(&Overlay { root: merged, decoy, options }))
    })
}

/// A mounted overlay filesystem.
#[derive(Debug)]
pub struct Overlay {
    root: PathBuf,
    decoy: PathBuf,
    options: String,
}

impl Overlay {
    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Unmounts and mounts it again, so that it has another device number, as after a restart of its container. Nothing
    /// there may be open.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn remount(&self) {
        let before = self.device();
        loop {
            // A child that another test is just starting has copies of all descriptors until it executes its program.
            until_not_busy(|| rustix::mount::unmount(&self.root, UnmountFlags::empty()));
            // Numbers are handed out again, the lowest first. Ends as soon as all those up to the old one are taken.
            mount("tmpfs", &self.decoy, SCRATCH_SIZE).expect("mounted");
            mount("overlay", &self.root, &self.options).expect("mounted again");
            if self.device() != before {
                return;
            }
        }
    }

    /// Its device number.
    ///
    /// # Panics
    ///
    /// When it is not mounted.
    pub fn device(&self) -> u64 {
        rustix::fs::stat(&self.root).expect("it is there").st_dev
    }
}

/// Makes a mounted filesystem read-only. Nothing there may be open for writing.
///
/// # Panics
///
/// When that is not possible.
pub fn make_read_only(root: &Path) {
    // A child that another test is just starting has copies of all descriptors until it executes its program.
    until_not_busy(|| rustix::mount::mount_remount(root, MountFlags::RDONLY, c""));
}

fn until_not_busy(mut call: impl FnMut() -> rustix::io::Result<()>) {
    let limit = Instant::now() + LIMIT;
    while let Err(error) = call() {
        assert!(error == rustix::io::Errno::BUSY && Instant::now() < limit, "{error}");
        thread::yield_now();
    }
}

/// Runs `f` on the root of a new filesystem of the given kind, such as `ext4`, in an image that only `f`'s thread and its
/// children see; the programs `mkfs.KIND` and `mount` make it.
///
/// # Errors
///
/// The reason why there can be none, such as the lack of privileges, programs or loop devices. `f` did not run then.
///
/// # Panics
///
/// When `f` does.
pub fn on_loop_image<T: Send>(kind: &str, f: impl FnOnce(&Path) -> T + Send) -> Result<T, String> {
    in_scratch(|scratch| {
        let (image, root) = (scratch.join("image"), scratch.join("root"));
        std::fs::create_dir(&root).map_err(because("no directory to mount on"))?;
        let size = if matches!(kind, "xfs" | "btrfs") { LARGE_IMAGE_SIZE } else { IMAGE_SIZE };
        File::create_new(&image)
            .and_then(|file| file.set_len(size))
            .map_err(because("no file for the image"))?;
        run(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image))?;
        // A loop device that `mount` attaches is detached with the last mount of it.
        run(Command::new("mount").args(["-t", kind, "-o", "loop"]).arg(&image).arg(&root))?;
        Ok(f(&root))
    })
}

/// Mounts, for as long as it lives, what a power cut would leave now of the filesystem with this root, which [`on_loop_image`] made: what it has
/// not written yet is not there. Gives back the root of that.
///
/// # Panics
///
/// When that is not possible.
pub fn after_a_power_cut(root: &Path) -> PathBuf {
    let scratch = root.parent().expect("it is in a scratch directory");
    let [image, left] = ["image-after-the-cut", "after-the-cut"].map(|name| scratch.join(name));
    std::fs::copy(scratch.join("image"), &image).expect("copied");
    std::fs::create_dir(&left).expect("a directory to mount on");
    run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&left)).expect("it was mounted before");
    left
}

/// Runs `f` on the root of a new filesystem that needs no device, such as a `tmpfs` of a few pages; only `f`'s thread and its
/// children see it. `f` may mount more.
///
/// # Errors
///
/// The reason why there can be none, such as the lack of privileges. `f` did not run then.
///
/// # Panics
///
/// When `f` does.
pub fn on_mounted<T: Send>(
    kind: &str,
    options: &str,
    f: impl FnOnce(&Path) -> T + Send,
) -> Result<T, String> {
    in_scratch(|scratch| {
        let root = scratch.join("root");
        std::fs::create_dir(&root).map_err(because("no directory to mount on"))?;
        mount(kind, &root, options)?;
        Ok(f(&root))
    })
}

/// Runs `f` on the root of a FUSE filesystem whose files are on a tmpfs, served by the program `fuse-overlayfs`, which can exchange
/// names, as few of its kind can; only `f`'s thread and its children see it.
///
/// # Errors
///
/// The reason why there can be none, such as the lack of privileges or of that program. `f` did not run then.
///
/// # Panics
///
/// When `f` does.
pub fn on_fuse<T: Send>(f: impl FnOnce(&Path) -> T + Send) -> Result<T, String> {
    in_scratch(|scratch| {
        let [lower, upper, work, root] = ["lower", "upper", "work", "root"].map(|name| scratch.join(name));
        for directory in [&lower, &upper, &work, &root] {
            std::fs::create_dir(directory).map_err(because("no directory to mount on"))?;
        }
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let mut command = Command::new("fuse-overlayfs");
        command.args(["-f", "-o", &options]).arg(&root).stdin(Stdio::null()).stderr(Stdio::null());
        let before = rustix::fs::stat(&root).map_err(because("no directory"))?.st_dev;
        let server = command.spawn().map_err(because("`fuse-overlayfs` can't be started"))?;
        let mut server = Server(server);
        let limit = Instant::now() + LIMIT;
        while rustix::fs::stat(&root).is_ok_and(|now| now.st_dev == before) {
            let has_ended = server.0.try_wait().map_err(because("`fuse-overlayfs` can't be waited for"))?;
            if has_ended.is_some() || Instant::now() > limit {
                return Err(format!("`fuse-overlayfs` has mounted nothing ({has_ended:?})"));
            }
            thread::yield_now();
        }
        Ok(f(&root))
    })
}

/// Serves a mounted filesystem for as long as the value lives.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for one that has been reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `f` on an empty tmpfs in a mount namespace of its own.
fn in_scratch<T: Send>(f: impl FnOnce(&Path) -> Result<T, String> + Send) -> Result<T, String> {
    let place = temporary();
    let mountpoint = place.path().to_owned();
    let name = thread::current().name().map(ToOwned::to_owned);
    thread::scope(|scope| {
        // Under the test's own name, by which a skip or a panic is reported.
        let thread = name.into_iter().fold(thread::Builder::new(), thread::Builder::name);
        let thread = thread.spawn_scoped(scope, || {
            private_tmpfs(&mountpoint)?;
            f(&mountpoint)
        });
        let thread = thread.map_err(because("no thread"))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn private_tmpfs(mountpoint: &Path) -> Result<(), String> {
    // Of the mqueue filesystem there is one per IPC namespace, however often it is mounted.
    nix::sched::unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC)
        .map_err(because("no mount namespace"))?;
    // Else a mount would spread to the namespace that this one was copied from.
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(because("mounts can't be made private"))?;
    mount("tmpfs", mountpoint, SCRATCH_SIZE)
}

fn mount(kind: &str, target: &Path, options: &str) -> Result<(), String> {
    let options = CString::new(options).map_err(because("mount options with a NUL"))?;
    rustix::mount::mount(kind, target, kind, MountFlags::empty(), options.as_c_str())
        .map_err(because(&format!("no {kind} can be mounted")))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(because(&format!("`{}` can't be started", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("`{}` failed ({}): {said}", program.display(), output.status))
}

fn because<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}
