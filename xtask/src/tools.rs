//! The system programs that tests and other verbs call, and how a missing one is got on Debian and its kin.
//!
//! Root installs packages into the system, unless that would start a server. Anyone else unpacks them below `target/xtask/root`, which the tests find
//! at the end of their `PATH`; it stays there for later runs. apt keeps its package lists below `target/xtask/apt`
//! then, since those of the system may be absent, as in most container images, and only root can fetch them.
//!
//! Nothing here stops a run. What cannot be got is said, and the tests that need it skip themselves.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io, iter,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

pub(crate) struct Tool {
    program: &'static str,
    /// The Debian package that has it, as of Debian 12.
    package: &'static str,
}

/// What tests call.
pub(crate) const OF_TESTS: &[Tool] = &[
    Tool { program: "etcd", package: "etcd-server" },
    Tool { program: "etcdctl", package: "etcd-client" },
    Tool { program: "flock", package: "util-linux" },
    Tool { program: "fuse-overlayfs", package: "fuse-overlayfs" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "mkfs.btrfs", package: "btrfs-progs" },
    Tool { program: "mkfs.ext4", package: "e2fsprogs" },
    Tool { program: "mkfs.xfs", package: "xfsprogs" },
    Tool { program: "mount", package: "mount" },
    Tool { program: "node", package: "nodejs" },
    Tool { program: "npm", package: "npm" },
    Tool { program: "openssl", package: "openssl" },
    Tool { program: "python3", package: "python3" },
    Tool { program: "script", package: "bsdutils" },
    Tool { program: "setpriv", package: "util-linux" },
    Tool { program: "setsid", package: "util-linux" },
    Tool { program: "strace", package: "strace" },
    Tool { program: "unshare", package: "util-linux" },
];

/// What reads the profiles that instrumented programs write. Of a newer LLVM than Debian 12 has by default: those of Rust's LLVM 22 are
/// of a format that 19 still knows and 14 does not.
pub(crate) const OF_COVERAGE: &[Tool] = &[
    Tool { program: "llvm-cov-19", package: "llvm-19" },
    Tool { program: "llvm-profdata-19", package: "llvm-19" },
];

/// Packages that start a server where they are installed, which nobody wants who runs a test: only ever unpacked.
const SERVERS: [&str; 1] = ["etcd-server"];

/// Where administrators' programs are; other users often lack these in their `PATH`.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Where packages put programs, below the directory they are unpacked into.
const PACKAGE_DIRECTORIES: [&str; 4] = ["usr/bin", "bin", "usr/sbin", "sbin"];

/// For every call of apt: a mirror out of reach is given up after seconds, not apt's minutes, and another apt at
/// work is waited for instead of failing.
const APT_OPTIONS: [&str; 5] = [
    "-q",
    "-oAcquire::Retries=1",
    "-oAcquire::http::Timeout=20",
    "-oAcquire::https::Timeout=20",
    "-oDPkg::Lock::Timeout=60",
];

/// How tests find the programs.
#[derive(Debug)]
pub(crate) struct Tools {
    path: OsString,
    /// Set only if an unpacked program does not start without it.
    library_path: Option<OsString>,
}

impl Tools {
    /// The variables to set for whatever runs tests.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        [("PATH", Some(&self.path)), ("LD_LIBRARY_PATH", self.library_path.as_ref())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Gets what is missing of these lists, as far as it can, and says what it does; `directory` is for its own files.
pub(crate) fn provide(directory: &Path, lists: &[&'static [Tool]]) -> Tools {
    let tools: Vec<&'static Tool> = lists.iter().copied().flatten().collect();
    let root = directory.join("root");
    let directories = search_path(&env::var_os("PATH").unwrap_or_default(), &root);
    let absent = missing(&tools, &directories);
    if !absent.is_empty() {
        if let Err(error) = install(&packages(&absent), directory, &root) {
            println!("xtask: that failed: {error}");
        }
        for Tool { program, .. } in missing(&tools, &directories) {
            println!("xtask: there is no `{program}` here; tests that need it skip themselves");
        }
    }
    let library_path = library_path(&tools, &root);
    // Cannot fail: each directory either came out of a `PATH` or was checked by `search_path`.
    let path = env::join_paths(&directories).unwrap_or_default();
    Tools { path, library_path }
}

/// The directories of `path`, then those of the system and of `root` that it lacks.
fn search_path(path: &OsString, root: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = env::split_paths(path).collect();
    let system = SYSTEM_DIRECTORIES.iter().map(PathBuf::from);
    let unpacked = PACKAGE_DIRECTORIES.iter().map(|directory| root.join(directory));
    for directory in system.chain(unpacked) {
        // A directory with a colon in its name cannot stand in a `PATH`.
        if !directories.contains(&directory) && env::join_paths([&directory]).is_ok() {
            directories.push(directory);
        }
    }
    directories
}

fn missing(tools: &[&'static Tool], directories: &[PathBuf]) -> Vec<&'static Tool> {
    let is_here =
        |tool: &&Tool| directories.iter().any(|directory| is_program(&directory.join(tool.program)));
    tools.iter().copied().filter(|tool| !is_here(tool)).collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The packages of `tools`, each once.
fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages: Vec<_> = tools.iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn install(packages: &[&str], directory: &Path, root: &Path) -> io::Result<()> {
    let (into_system, unpacked): (Vec<&str>, Vec<&str>) =
        packages.iter().partition(|package| is_root() && !SERVERS.contains(package));
    if !into_system.is_empty() {
        println!("xtask: installing into the system: {}", into_system.join(", "));
        install_into_system(&into_system)?;
    }
    if !unpacked.is_empty() {
        println!("xtask: unpacking into `{}`: {}", root.display(), unpacked.join(", "));
        unpack(&unpacked, directory, root)?;
    }
    Ok(())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn install_into_system(packages: &[&str]) -> io::Result<()> {
    update(&mut apt());
    run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

fn update(apt: &mut Command) {
    if let Err(error) = run(apt.arg("update")) {
        // One broken source of several makes this fail, and the packages may be in another.
        println!("xtask: going on with the package lists there are: {error}");
    }
}

/// Downloads `packages`, and what they depend on and the system lacks, and unpacks them below `root`.
fn unpack(packages: &[&str], directory: &Path, root: &Path) -> io::Result<()> {
    let lists = directory.join("apt/lists");
    let debs = directory.join("debs");
    if debs.exists() {
        fs::remove_dir_all(&debs)?;
    }
    for needed in [&lists, &debs, &root.to_owned()] {
        fs::create_dir_all(needed)?;
    }
    let own_apt = || {
        let mut command = apt();
        command.arg(format!("-oDir::State::Lists={}", lists.display()));
        command.arg(format!("-oDir::Cache={}", directory.join("apt").display()));
        command.current_dir(&debs);
        command
    };
    update(&mut own_apt());

    // A simulation needs no rights. `--reinstall` is for a package that the system calls installed and that yet
    // lacks its program.
    let plan = output(
        own_apt().args(["install", "--simulate", "--reinstall", "--no-install-recommends"]).args(packages),
    )?;
    run(own_apt().arg("download").args(planned_packages(&String::from_utf8_lossy(&plan.stdout))))?;
    for deb in fs::read_dir(&debs)? {
        run(Command::new("dpkg-deb").arg("-x").arg(deb?.path()).arg(root))?;
    }
    Ok(())
}

/// The packages in the lines `Inst NAME …` of a simulated installation.
fn planned_packages(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        // Another C library than that of the running loader breaks whatever is started with it.
        .filter(|package| *package != "libc6")
        .collect()
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.args(APT_OPTIONS).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command
}

fn run(command: &mut Command) -> io::Result<()> {
    output(command.stdout(Stdio::inherit())).map(drop)
}

/// Runs `command` without standard input; its errors go to the terminal.
fn output(command: &mut Command) -> io::Result<Output> {
    let words = iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy);
    let name = words.filter(|word| !word.starts_with('-')).take(2).collect::<Vec<_>>().join(" ");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|error| io::Error::new(error.kind(), format!("cannot run `{name}`: {error}")))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(io::Error::other(format!("`{name}`: {}", output.status)))
    }
}

/// `LD_LIBRARY_PATH` with the libraries below `root`, if a program there does not start without them.
fn library_path(tools: &[&Tool], root: &Path) -> Option<OsString> {
    let directories = PACKAGE_DIRECTORIES.map(|directory| root.join(directory));
    let mut unpacked = directories
        .iter()
        .flat_map(|directory| tools.iter().map(move |tool| directory.join(tool.program)))
        .filter(|program| is_program(program));
    if unpacked.all(|program| starts(&program)) {
        return None;
    }
    let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let inherited = env::split_paths(&inherited).filter(|directory| !directory.as_os_str().is_empty());
    env::join_paths(inherited.chain(library_directories(root))).ok()
}

/// Whether the loader finds all of the program's libraries; it exits with 127 if not.
fn starts(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.code() != Some(127))
}

/// The directories `lib/<triplet>` and `usr/lib/<triplet>` below `root`, where Debian has the libraries.
fn library_directories(root: &Path) -> Vec<PathBuf> {
    ["usr/lib", "lib"]
        .iter()
        .filter_map(|directory| fs::read_dir(root.join(directory)).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("-linux-gnu") && path.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_of_several_missing_programs_is_installed_once() {
        let all: Vec<_> = OF_TESTS.iter().collect();
        let expected = [
            "bsdutils",
            "btrfs-progs",
            "e2fsprogs",
            "etcd-client",
            "etcd-server",
            "fuse-overlayfs",
            "iproute2",
            "mount",
            "nodejs",
            "npm",
            "openssl",
            "python3",
            "strace",
            "util-linux",
            "xfsprogs",
        ];
        assert_eq!(packages(&all), expected);
    }

    #[test]
    fn without_directories_every_program_is_missing() {
        let all: Vec<_> = OF_TESTS.iter().collect();
        assert_eq!(missing(&all, &[]).len(), OF_TESTS.len());
    }

    #[test]
    fn unpacked_programs_come_last_and_nothing_twice() {
        let path = search_path(&"/usr/sbin:/bin".into(), Path::new("/r"));
        let expected = ["/usr/sbin", "/bin", "/sbin", "/r/usr/bin", "/r/bin", "/r/usr/sbin", "/r/sbin"];
        assert_eq!(path, expected.map(PathBuf::from));
    }

    #[test]
    fn a_plan_is_what_would_be_installed_but_for_the_c_library() {
        let plan = "Reading package lists...\nInst libc6 [2.36] (2.36-9 Debian:12 [amd64])\n\
                    Inst libunwind8 (1.6.2-3 Debian:12 [amd64])\nInst strace (6.1-0.1 Debian:12 [amd64]) []\n\
                    Conf strace (6.1-0.1 Debian:12 [amd64])\n";
        assert_eq!(planned_packages(plan), ["libunwind8", "strace"]);
    }

    #[test]
    fn a_directory_is_no_program() {
        assert!(!is_program(Path::new("/")));
    }
}
