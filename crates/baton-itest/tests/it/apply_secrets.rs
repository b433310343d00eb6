//! No secret that a plan names is anywhere in the state directory, nor in anything that is printed, whatever the steps do with it, however
//! they end, and whatever is asked about them afterwards.
//!
//! The secrets are random, of several shapes, from one seed, which is printed; `BATON_ITEST_SEED` sets it. A step has them in its
//! environment, and prints them at once, in pieces, between escape sequences, in URLs, in commands that can't be found, in its last
//! words; it publishes them; it is killed with half of one printed.

use baton_itest::command::{Ended, Running, ended};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use baton_itest::race::seed;
use baton_itest::skip::skip;
use baton_itest::terminal::Terminal;
use fastrand::Rng;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Random texts, and what each of them is called.
struct Seeded {
    job: Job,
    secrets: Vec<(String, String)>,
}

const PLAIN: &str = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// One of each shape that a rule alone would not recognise, or only half.
fn random(random: &mut Rng) -> Vec<String> {
    let mut of = |letters: &str, length: usize| -> String {
        let letters: Vec<char> = letters.chars().collect();
        // The first and last character are no blank, since blanks around a value are not sought.
        let middle = (0..length).map(|_| letters[random.usize(..letters.len())]);
        format!("Q{}z", middle.collect::<String>())
    };
    vec![
        of(PLAIN, 6),
        of(PLAIN, 30),
        of(PLAIN, 1500),
        of(&format!("{PLAIN} =:;,.-_/+&?#@!*()[]{{}}<>|~^%$'\"\\`"), 24),
        of("äöüßéλж中文🦀ab", 16),
        of("0123456789", 12),
        format!("-----{}\n{}\n{}", of(PLAIN, 20), of(PLAIN, 60), of(PLAIN, 60)),
    ]
}

impl Seeded {
    /// A job with these steps; `SECRETS` in them becomes the names of the secrets.
    fn of(steps: &str, rng: &mut Rng) -> Self {
        let named = random(rng).into_iter().enumerate();
        let secrets: Vec<(String, String)> = named.map(|(n, value)| (format!("S{n}"), value)).collect();
        let names: Vec<String> = secrets.iter().map(|(name, _)| format!("'{name}'")).collect();
        let job = Job::of(&steps.replace("SECRETS", &format!("[{}]", names.join(", "))));
        Self { job, secrets }
    }

    fn with_secrets(&self, mut command: Command) -> Command {
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command
    }

    fn apply(&self, options: &str) -> Command {
        self.with_secrets(self.job.apply(options))
    }

    fn undo(&self) -> Command {
        self.with_secrets(self.job.undo("--yes"))
    }

    /// What must be found nowhere: each value, and each line of one of several.
    fn sought(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets.iter().flat_map(|(name, value)| {
            let lines = value.lines().map(|line| (name.as_str(), line));
            lines.chain([(name.as_str(), value.as_str())])
        })
    }

    #[track_caller]
    fn assert_hidden(&self, place: &str, bytes: &[u8]) {
        // What is no text is no part of a secret.
        let text = String::from_utf8_lossy(bytes);
        for (name, secret) in self.sought() {
            assert!(!text.contains(secret), "{name} ({secret:?}) is in {place}: {text}");
        }
    }

    /// Runs it to its end; what it prints is looked through, and so is the state directory.
    #[track_caller]
    fn must_hide(&self, command: Command) -> Ended {
        let words = format!("{command:?}");
        let told = ended(command);
        self.assert_hidden(&words, told.out.as_bytes());
        self.assert_hidden(&words, told.err.as_bytes());
        if self.job.state().exists() {
            self.look_through(&self.job.state(), |_| true);
        }
        told
    }

    /// All files below a directory that are meant; their names, too.
    #[track_caller]
    fn look_through(&self, directory: &Path, is_meant: fn(&str) -> bool) {
        for entry in fs::read_dir(directory).expect("readable").flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            self.assert_hidden("a name", name.as_bytes());
            if path.is_dir() {
                self.look_through(&path, is_meant);
            } else if is_meant(&name) {
                self.assert_hidden(&name, &fs::read(&path).expect("readable"));
            }
        }
    }

    /// Everything that can be asked about a session, by text and as JSON.
    #[track_caller]
    fn ask_everything(&self) {
        let logs = fs::read_dir(self.job.state().join("logs/job")).expect("there").flatten();
        let logs = logs.filter_map(|log| {
            let name = log.file_name().into_string().ok()?;
            let (attempt, step) = name.strip_suffix(".log")?.split_once('-')?;
            Some(format!("log job {step} --attempt {attempt}"))
        });
        let asked = [
            "list",
            "list --json",
            "show job",
            "show --json job",
            "log job",
            "export job",
            "report -o - job",
        ];
        for words in asked.into_iter().map(str::to_owned).chain(logs) {
            let told = self.must_hide(self.with_secrets(self.job.session_verb(&words)));
            assert_eq!(told.code, Some(0), "{words}: {}", told.err);
        }
        for options in ["", "--dry-run", "--dry-run --resume", "-n --accept-changes"] {
            self.must_hide(self.apply(options));
        }
    }
}

/// All that a step can do to print each of the secrets.
const LEAKS: &str = r#"
for name in S0 S1 S2 S3 S4 S5 S6; do
    eval "value=\$$name"
    echo "plain $value, $value"
    # In two writes, and in many.
    begin=${value%????}; printf '%s' "$begin"; printf '%s\n' "${value#"$begin"}"
    begin=${value%"${value#???}"}; printf '%s' "$begin" >&2; printf '%s' "${value#"$begin"}" >&2
    printf '%s' "$value" | dd bs=1 count=9 2>/dev/null; printf '%s' "$value" | dd bs=1 skip=9 2>/dev/null; echo
    # Between escape sequences, after control characters, without an end of the line before or after.
    printf '\033[31m%s\033[0m\r\033]0;%s\007\b%s\0%s' "$value" "$value" "$value" "$value"
    echo "https://user:$value@host.example/$value?token=$value&x=$value#$value"
    printf '{"key": "%s", "password":"%s"}\n' "$value" "$value"
    echo "curl -H 'Authorization: Bearer $value' --data $value"
    env | grep "^$name=" || :
    "./no-such-$value" || :
    (set -x; : "$value" "--password=$value") || :
done
"#;

fn leaking(id: &str, end: &str, more: &str) -> String {
    format!("[[step]]\nid = '{id}'\nsecrets = SECRETS\nrun = '''{LEAKS}{end}'''\n{more}")
}

#[test]
fn secret_that_is_printed_by_steps_that_fail_and_are_undone_is_nowhere() {
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let undo = format!("undo = '''{LEAKS} test -e good || {{ echo \"last $S1 $S3\" >&2; exit 4; }}'''\n");
    let asked = "check = 'echo \"$S1\"; echo \"$S4\" >&2; test -e good'\nwhen = 'echo \"$S1$S3\"'\n";
    let steps = leaking("good", ":", asked)
        + &leaking("bad", "test -e good || { echo \"last words: $S0 $S1 $S3 $S5\"; exit 3; }", &undo)
        + "retries = 1\nbackoff = '1ms'\n";
    let seeded = Seeded::of(&steps, &mut rng);
    for options in ["", "--resume --json", "--resume -v", "--fresh --yes -q"] {
        let told = seeded.must_hide(seeded.apply(options));
        assert_eq!(told.code, Some(1), "{options}: {}", told.err);
    }
    let log = fs::read(seeded.job.state().join("logs/job/2-bad.log")).expect("there");
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("plain <REDACTED>, <REDACTED>\n"), "it was printed, and replaced: {log}");
    assert_eq!(seeded.must_hide(seeded.undo()).code, Some(1));
    seeded.ask_everything();
    fs::write(seeded.job.path("good"), "").expect("written");
    assert_eq!(seeded.must_hide(seeded.undo()).code, Some(0));
    assert_eq!(seeded.must_hide(seeded.apply("-v")).code, Some(0));
    seeded.ask_everything();
    assert_eq!(
        seeded.must_hide(seeded.with_secrets(seeded.job.session_verb("reset --yes job"))).code,
        Some(0)
    );
}

/// The value of one is in the plan itself, in clear, and in the command that uses it.
#[test]
fn secret_that_is_written_in_the_plan_is_in_the_plan_alone() {
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for step in [
        "run = ['sh', '-c', 'echo use $1; exit 3', 'sh', 'SECRET']",
        "run = 'echo use SECRET; exit 3'",
        "run = ['./SECRET']",
        "run = ['true']\ncwd = 'no-such-SECRET'",
        "run = ['true']\nwhen = ['./SECRET']",
        "run = ['false']\nretries = 1\nbackoff = '1ms'\nundo = ['./SECRET']",
    ] {
        let before = "[[step]]\nid = 'a'\nrun = 'echo SECRET'\ncheck = 'test SECRET'\n";
        let named = "env = { TOKEN_OF_MINE = 'SECRET' }\nsecrets = ['TOKEN_OF_MINE']\n";
        let mut seeded = Seeded::of("", &mut rng);
        let (_, secret) = seeded.secrets.swap_remove(1);
        seeded.secrets = vec![("PLAIN".to_owned(), secret.clone())];
        seeded
            .job
            .write(&format!("{before}{named}[[step]]\nid = 'b'\n{step}\n{named}").replace("SECRET", &secret));
        let told = seeded.must_hide(seeded.job.apply("--dry-run"));
        assert_eq!(told.code, Some(0), "{}", told.err);
        for options in ["", "--resume -v", "--resume --json"] {
            let told = seeded.must_hide(seeded.job.apply(options));
            assert_eq!(told.code, Some(1), "{step}: {}", told.err);
        }
        seeded.ask_everything();
        seeded.must_hide(seeded.undo());
        match Terminal::running(&seeded.job.apply("--resume")) {
            Ok(mut terminal) => seeded.assert_hidden("the terminal", terminal.rest().as_bytes()),
            Err(reason) => skip(&reason),
        }
        // What has changed is told with what it was and is.
        let plan = fs::read_to_string(seeded.job.plan()).expect("there");
        fs::write(seeded.job.plan(), plan.replace("echo ", "echo and ")).expect("written");
        seeded.ask_everything();
    }
}

#[test]
fn secret_that_a_step_publishes_fails_the_step_and_is_not_told() {
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for publish in [
        "printf 'x<<END\\n%s\\nEND\\n' \"$value\"",
        "printf 'x<<END\\nbefore%safter\\nEND\\n' \"$value\"",
        "printf '%s=1\\n' \"$value\"",
        "printf '%s\\n' \"$value\"",
        "printf 'x<<%s\\n' \"$value\"",
    ] {
        let script = format!("eval \"value=\\$$which\"; {publish} >>\"$BATON_OUTPUT\"");
        let seeded = Seeded::of(
            &format!("[[step]]\nid = 'a'\nrun = '''{script}'''\noutputs = ['x']\nsecrets = SECRETS\n"),
            &mut rng,
        );
        for (name, _) in &seeded.secrets {
            let mut command = seeded.apply("--fresh");
            command.env("which", name);
            let told = seeded.must_hide(command);
            assert_eq!(told.code, Some(1), "{publish}: {}", told.err);
        }
        seeded.ask_everything();
    }
}

/// While the step runs, what it publishes is in a file of its own, which the next attempt removes, and `reset` does.
#[test]
fn secret_that_a_killed_step_has_half_printed_and_published_is_gone_with_the_next_attempt() {
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let slow = "test -e fast || { printf 'x=%s\\n' \"$S1\" >>\"$BATON_OUTPUT\"; printf '%s\\n%s' \"$S0\" \"${S1%???}\"; \
                echo in >told; read -r _ <go; printf '%s' \"${S1#\"${S1%???}\"}\"; }";
    for (next, code) in [("resume", 0), ("undo", 0), ("reset", 0), ("fresh", 0)] {
        let seeded = Seeded::of(&leaking("slow", slow, "outputs = ['x']\n"), &mut rng);
        let (told, _go) = (Fifo::new(seeded.job.path("told")), Fifo::new(seeded.job.path("go")));
        let running = Running::start(seeded.apply("-v"));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        running.kill_with_groups();
        let Ended { out, err, .. } = running.ends();
        seeded.assert_hidden("its output", (out + &err).as_bytes());
        seeded.look_through(&seeded.job.state(), |name| !name.ends_with(".output"));
        fs::write(seeded.job.path("fast"), "").expect("written");
        let next = match next {
            "undo" => seeded.undo(),
            "reset" => seeded.job.session_verb("reset --yes job"),
            option => seeded.apply(&format!("--{option}")),
        };
        let told = seeded.must_hide(next);
        assert_eq!(told.code, Some(code), "{}", told.err);
    }
}

#[test]
fn terminal_shows_no_secret() {
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let seeded = Seeded::of(&leaking("a", "test -e good || { echo \"last $S1\"; exit 3; }", ""), &mut rng);
    for (options, code) in [("-v", 1), ("--resume", 1)] {
        let mut terminal = match Terminal::running(&seeded.apply(options)) {
            Ok(terminal) => terminal,
            Err(reason) => return skip(&reason),
        };
        let shown = terminal.rest();
        assert!(shown.contains("step `a` failed"), "{code}: {shown}");
        seeded.assert_hidden("the terminal", shown.as_bytes());
    }
    for words in ["show job", "log job"] {
        match Terminal::running(&seeded.with_secrets(seeded.job.session_verb(words))) {
            Ok(mut terminal) => seeded.assert_hidden(words, terminal.rest().as_bytes()),
            Err(reason) => return skip(&reason),
        }
    }
}
