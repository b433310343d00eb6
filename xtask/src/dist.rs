//! `cargo xtask dist`: what a package of the command contains, as a tarball or below a prefix.
//!
//! The same sources give the same listing, in the same order, with the same modes; in the tarball there are no times, owners or
//! orders of this machine either. The program itself is as reproducible as the compiler makes it.

use std::{
    env,
    ffi::OsStr,
    fmt::Write as _,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{release, verbs::Outcome};

/// Where a file goes, below the prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    to: PathBuf,
    from: PathBuf,
    mode: u32,
}

/// Runs the verb; `arguments` is empty or `--prefix DIR`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let prefix = match arguments {
        [] => None,
        [option, prefix] if option == "--prefix" => Some(PathBuf::from(prefix)),
        _ => return Outcome::Misused("`dist` takes `--prefix DIR`, or nothing".into()),
    };
    match dist(prefix) {
        Ok(said) => {
            print!("{said}");
            Outcome::Done
        }
        Err(error) => {
            eprintln!("error: {error}");
            Outcome::Failed
        }
    }
}

fn dist(prefix: Option<PathBuf>) -> io::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let pages = target.join("xtask/pages");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let step = |words: &[&str], more: &[&OsStr]| {
        run_step(Command::new(&cargo).args(words).args(more).current_dir(&root))
    };
    let programs = [release::build(&target)?, release::build_for_etcd(&target)?];
    remove(&pages)?;
    let make_pages = ["run", "--quiet", "--locked", "--package", "baton-cli", "--example", "pages", "--"];
    step(&make_pages, &[pages.as_os_str()])?;
    let entries = entries(&root, &programs, &pages)?;
    if let Some(prefix) = prefix {
        install(&entries, &prefix)?;
        return Ok(listing(&entries));
    }
    let name = format!("baton-{}", env!("CARGO_PKG_VERSION"));
    let (tree, tarball) =
        (target.join("dist").join(&name), target.join("dist").join(format!("{name}.tar.gz")));
    remove(&tree)?;
    install(&entries, &tree)?;
    pack(&tree, &tarball)?;
    Ok(format!("{}{}\n", listing(&entries), tarball.display()))
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn run_step(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?}: {status}"))) }
}

/// What goes where, in the order of the listing.
fn entries(root: &Path, programs: &[PathBuf], pages: &Path) -> io::Result<Vec<Entry>> {
    let plain = |from: PathBuf, to: &str| Entry { from, to: to.into(), mode: 0o644 };
    let mut entries = vec![
        plain(pages.join("completions/baton.bash"), "share/bash-completion/completions/baton"),
        plain(pages.join("completions/_baton"), "share/zsh/site-functions/_baton"),
        plain(pages.join("completions/baton.fish"), "share/fish/vendor_completions.d/baton.fish"),
    ];
    for from in programs {
        let to = Path::new("bin").join(from.file_name().unwrap_or_default());
        entries.push(Entry { from: from.clone(), to, mode: 0o755 });
    }
    let doc = Path::new("share/doc/baton");
    for name in ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        entries.push(Entry { from: root.join(name), to: doc.join(name), mode: 0o644 });
    }
    let directories =
        [(pages.join("man"), PathBuf::from("share/man/man1")), (root.join("docs"), doc.join("docs"))];
    for (from, to) in directories {
        add_files(&from, &to, &mut entries)?;
    }
    entries.sort();
    Ok(entries)
}

/// All files of a directory and of those below it.
fn add_files(from: &Path, to: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            add_files(&entry.path(), &to, entries)?;
        } else {
            entries.push(Entry { from: entry.path(), to, mode: 0o644 });
        }
    }
    Ok(())
}

/// Copies all of them below the prefix. A program that runs is not written to, but replaced.
fn install(entries: &[Entry], prefix: &Path) -> io::Result<()> {
    for Entry { from, to, mode } in entries {
        let to = prefix.join(to);
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", to.display()));
        fs::create_dir_all(to.parent().unwrap_or(prefix)).map_err(failed)?;
        let mut temporary = to.clone().into_os_string();
        temporary.push(".new");
        fs::copy(from, &temporary)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))?;
        fs::set_permissions(&temporary, fs::Permissions::from_mode(*mode)).map_err(failed)?;
        fs::rename(&temporary, &to).map_err(failed)?;
    }
    Ok(())
}

fn listing(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { to, mode, .. } in entries {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{mode:o} {}", to.display());
    }
    text
}

/// Packs the tree without what differs between two machines.
fn pack(tree: &Path, tarball: &Path) -> io::Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+rw,go=rX"]);
    tar.args(["--format=gnu", "--use-compress-program", "gzip -n", "-cf"]).arg(tarball);
    tar.arg("-C").arg(tree.parent().unwrap_or(tree)).arg(tree.file_name().unwrap_or_default());
    run_step(&mut tar)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A directory of its own; removed with the value.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("baton-xtask-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).expect("made");
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            // Nobody is there to be told.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// What a build would have made, in no time.
    fn made(place: &Path) -> Vec<Entry> {
        let pages = place.join("pages");
        for name in [
            "completions/baton.bash",
            "completions/_baton",
            "completions/baton.fish",
            "man/baton-run.1",
            "man/baton.1",
        ] {
            let path = pages.join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("made");
            fs::write(path, name).expect("written");
        }
        let programs = ["baton", "baton-etcd"].map(|name| place.join(name));
        for program in &programs {
            fs::write(program, "#!/bin/sh\n").expect("written");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("below the root");
        entries(root, &programs, &pages).expect("all is there")
    }

    #[test]
    fn a_prefix_gets_programs_completions_pages_licences_and_documents() {
        let place = Place::new("prefix");
        let entries = made(&place.0);
        let prefix = place.0.join("prefix");
        install(&entries, &prefix).expect("installed");
        let listed = listing(&entries);
        for line in [
            "755 bin/baton",
            "755 bin/baton-etcd",
            "644 share/bash-completion/completions/baton",
            "644 share/doc/baton/LICENSE-MIT",
            "644 share/doc/baton/docs/errors.md",
            "644 share/fish/vendor_completions.d/baton.fish",
            "644 share/man/man1/baton-run.1",
            "644 share/zsh/site-functions/_baton",
        ] {
            assert!(listed.lines().any(|one| one == line), "{line} in {listed}");
            let (mode, path) = line.split_once(' ').expect("two words");
            let found = fs::metadata(prefix.join(path)).expect(path).permissions().mode() & 0o7777;
            assert_eq!(format!("{found:o}"), mode, "{path}");
        }
        install(&entries, &prefix).expect("installed again, over what is there");
    }

    #[test]
    fn the_same_files_give_the_same_tarball_whenever_they_were_written() {
        let tarballs = [("one", 0), ("two", 1)].map(|(name, age)| {
            let place = Place::new(name);
            let tree = place.0.join("baton-0");
            install(&made(&place.0), &tree).expect("installed");
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 * age);
            fs::File::open(tree.join("bin/baton")).and_then(|file| file.set_modified(written)).expect("set");
            let tarball = place.0.join("baton-0.tar.gz");
            pack(&tree, &tarball).expect("packed");
            fs::read(tarball).expect("there")
        });
        assert!(tarballs[0] == tarballs[1] && !tarballs[0].is_empty());
    }
}
