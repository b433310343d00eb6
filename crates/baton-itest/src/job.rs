//! A job of `baton apply`: a plan file, a state directory of its own, and what can be found there afterwards.

use crate::command::{Ended, baton, ended};
use crate::places::temporary;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What `examples/` has.
///
/// # Panics
///
/// When the sources are not where they were when this was built.
pub fn example(name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    examples.join(name).canonicalize().expect("the example is there")
}

/// A job. Everything of it is in one directory, which goes with the value.
#[derive(Debug)]
pub struct Job {
    place: TempDir,
    plan: PathBuf,
    name: String,
}

impl Job {
    /// A job of the plan with these steps, called `job`.
    ///
    /// # Panics
    ///
    /// When it can't be written.
    #[track_caller]
    pub fn of(steps: &str) -> Self {
        let job = Self::without_plan();
        job.write(steps);
        job
    }

    /// A job of the plan `job.toml`, which is still to be written.
    ///
    /// # Panics
    ///
    /// When there is no place for it.
    #[track_caller]
    pub fn without_plan() -> Self {
        let place = temporary();
        let plan = place.path().join("job.toml");
        Self { place, plan, name: "job".to_owned() }
    }

    /// A job of one of the examples' plans, which is called as its file.
    ///
    /// # Panics
    ///
    /// When there is no such example.
    #[track_caller]
    pub fn of_example(name: &str) -> Self {
        Self { place: temporary(), plan: example(&format!("{name}.toml")), name: name.to_owned() }
    }

    /// Writes the plan anew, with these steps.
    ///
    /// # Panics
    ///
    /// When it can't be written.
    #[track_caller]
    pub fn write(&self, steps: &str) {
        fs::write(&self.plan, format!("version = 1\nname = \"{}\"\n{steps}", self.name)).expect("written");
    }

    /// Its directory.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place().join(name)
    }

    /// A path in its directory, as a plan has it.
    ///
    /// # Panics
    ///
    /// When that is not text.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().expect("text")
    }

    /// Its plan.
    pub fn plan(&self) -> &Path {
        &self.plan
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The file of its session.
    pub fn session_file(&self) -> PathBuf {
        self.state().join("sessions").join(format!("{}.json", self.name))
    }

    /// `baton apply OPTIONS PLAN`; the options are separated by blanks.
    pub fn apply(&self, options: &str) -> Command {
        self.command("apply", options)
    }

    /// `baton undo OPTIONS PLAN`.
    pub fn undo(&self, options: &str) -> Command {
        self.command("undo", options)
    }

    fn command(&self, verb: &str, options: &str) -> Command {
        let mut command = baton();
        command.arg(verb).args(options.split_ascii_whitespace()).arg(&self.plan);
        command.env("BATON_DIR", self.state());
        command
    }

    /// `baton session WORDS`; the words are separated by blanks.
    pub fn session_verb(&self, words: &str) -> Command {
        let mut command = baton();
        command.arg("session").args(words.split_ascii_whitespace()).current_dir(self.place());
        command.env("BATON_DIR", self.state());
        command
    }

    /// Runs `baton session WORDS` to its end.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn asked(&self, words: &str) -> Ended {
        ended(self.session_verb(words))
    }

    /// Runs `baton apply OPTIONS PLAN` to its end.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn applied(&self, options: &str) -> Ended {
        ended(self.apply(options))
    }

    /// Runs it to its end, which must be good; with what it said.
    ///
    /// # Panics
    ///
    /// When it ends with another exit code than 0.
    #[track_caller]
    pub fn must_apply(&self, options: &str) -> String {
        let Ended { code, out, err, .. } = self.applied(options);
        assert_eq!(code, Some(0), "{out}{err}");
        out + &err
    }

    /// The session as it is on disk.
    ///
    /// # Panics
    ///
    /// When there is none, or it is not JSON.
    #[track_caller]
    pub fn session(&self) -> Value {
        let text = fs::read_to_string(self.session_file()).expect("a session");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
    }

    /// How its steps stand, as `ID STATUS` in the plan's order.
    ///
    /// # Panics
    ///
    /// When there is no session.
    #[track_caller]
    pub fn steps(&self) -> Vec<String> {
        let session = self.session();
        let steps = session["steps"].as_array().expect("a list");
        let word = |step: &Value, key: &str| step[key].as_str().expect("a word").to_owned();
        steps.iter().map(|step| format!("{} {}", word(step, "id"), word(step, "status"))).collect()
    }

    /// The lines of a file in its directory; none if there is no such file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }
}
