//! The tests of the Node package: its dependencies from npm, its native part from cargo, then vitest.
//!
//! vitest reports as libtest does (`bindings/node/test/libtest-reporter.mjs`), so that one transcript counts all. Where there is no
//! Node that can run it, or its dependencies are not to be had, its tests are one skip.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::SystemTime,
};

use crate::{stream, summary::Skip, tools::Tools, transcript::Transcript};

/// The oldest that the package is for.
const OLDEST: u32 = 20;

/// What became of the tests.
#[derive(Debug)]
pub(crate) enum Tested {
    Skipped(Skip),
    Ran(ExitStatus),
}

/// Runs the tests, or those with `filter` in their name.
pub(crate) fn test(
    filter: Option<&str>,
    tools: &Tools,
    skip_log: (&str, &Path),
    transcript: &mut Transcript,
) -> io::Result<Tested> {
    let package = Package { directory: directory(), tools };
    if let Err(reason) = package.provide() {
        println!("xtask: {reason}; the tests of the Node package are skipped");
        return Ok(Tested::Skipped(Skip { test: "the Node package".into(), reason }));
    }
    let built = package.command("npm", &["run", "--silent", "build", "--", "--dev"]).status()?;
    if !built.success() {
        return Ok(Tested::Ran(built));
    }
    let mut vitest = package.command("node", &["node_modules/vitest/vitest.mjs", "run"]);
    vitest.env("BATON_REPORT", "libtest").env(skip_log.0, skip_log.1);
    // It is a regular expression there; what has a meaning in one has no place in a test's name.
    vitest.args(filter.map(|filter| format!("--testNamePattern={filter}")));
    Ok(Tested::Ran(stream::show(vitest, |line| transcript.read(line))?))
}

struct Package<'a> {
    directory: PathBuf,
    tools: &'a Tools,
}

impl Package<'_> {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory).envs(self.tools.environment());
        command.stdin(Stdio::null());
        command
    }

    /// Sees that there is what the tests need, or says why there is not.
    fn provide(&self) -> Result<(), String> {
        let version = self.command("node", &["--version"]).output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let version = version.unwrap_or_default();
        if major(&version).is_none_or(|major| major < OLDEST) {
            return Err(format!("there is no Node {OLDEST} or later here"));
        }
        if self.are_dependencies_current() {
            return Ok(());
        }
        println!("xtask: installing what the tests of the Node package need, with `npm ci`");
        // Nothing of what is installed has a say on this machine.
        let installed = self.command("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).status();
        match installed {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`npm ci` failed ({status})")),
            Err(error) => Err(format!("cannot run `npm`: {error}")),
        }
    }

    /// npm writes its own list last, so that it is younger than the one that it was installed by.
    fn are_dependencies_current(&self) -> bool {
        let age = |name: &str| -> Option<SystemTime> {
            fs::metadata(self.directory.join(name)).ok()?.modified().ok()
        };
        age("node_modules/.package-lock.json") >= age("package-lock.json")
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("bindings").join("node")
}

/// Of `v20.20.2`, 20.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_of_node_is_read() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major(""), None);
        assert_eq!(major("20.1.0"), None);
    }
}
