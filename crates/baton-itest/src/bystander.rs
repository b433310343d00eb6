//! Programs that know nothing of Baton, and have a file locked or open until they are told to end.
//!
//! Each says a line when it has come so far, so that nobody sleeps, and ends with its input, at the latest with the value.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running bystander.
#[derive(Debug)]
pub struct Bystander(Child);

/// Python that locks the file or directory of its first argument without waiting.
pub const PYTHON_FLOCK: &str = "import fcntl, os, sys; \
    fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB); ";

impl Bystander {
    /// `flock FILE`, which keeps the file locked while its command runs; the file is created if there is none.
    ///
    /// # Panics
    ///
    /// When the program can't be started or does not get the lock at once.
    #[track_caller]
    pub fn flocking(path: &Path) -> Self {
        let mut command = Command::new("flock");
        command.arg("-n").arg(path).args(["-c", "echo done; read -r _"]);
        Self::start(command)
    }

    /// `flock -s FILE`, which shares the file with others who do so while its command runs.
    ///
    /// # Panics
    ///
    /// When the program can't be started or does not get its share at once.
    #[track_caller]
    pub fn sharing(path: &Path) -> Self {
        let mut command = Command::new("flock");
        command.arg("-ns").arg(path).args(["-c", "echo done; read -r _"]);
        Self::start(command)
    }

    /// A Python program that has the file or directory locked with `fcntl.flock`, as `filelock` does it.
    ///
    /// # Panics
    ///
    /// When it can't be started or does not get the lock at once.
    #[track_caller]
    pub fn flocking_in_python(path: &Path) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", &format!("{PYTHON_FLOCK}print('done', flush=True); sys.stdin.readline()")])
            .arg(path);
        Self::start(command)
    }

    /// A shell that has the file open for reading, and does nothing with it.
    ///
    /// # Panics
    ///
    /// When it can't be started or can't open the file.
    #[track_caller]
    pub fn having_open(path: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec 3<"$0" && echo done && read -r _"#]).arg(path);
        Self::start(command)
    }

    /// A Python program that has the file locked with `lockf`, as package managers lock their databases.
    ///
    /// # Panics
    ///
    /// When it can't be started or does not get the lock at once.
    #[track_caller]
    pub fn locking_with_lockf(path: &Path) -> Self {
        let script = "import fcntl, sys; file = open(sys.argv[1], 'r+'); \
                      fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print('done', flush=True); sys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(path);
        Self::start(command)
    }

    #[track_caller]
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("piped");
        let bystander = Self(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("what it says is text");
        assert_eq!(line, "done\n", "it did not come so far");
        bystander
    }

    /// Lets it end, and waits until it has.
    ///
    /// # Panics
    ///
    /// When that can't be waited for.
    pub fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("reaped");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // What it runs ends with its input. Both fail only for one that has been reaped.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
