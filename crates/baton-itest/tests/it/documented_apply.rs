//! `docs/apply.md` is true: its commands, run in its order with its plan, say what it says. `…` stands for anything, in a line.

use baton_itest::command::{Ended, ended, without_notice};
use baton_itest::places::temporary;
use baton_itest::programs;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/apply.md");

/// The fenced blocks of that kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    PAGE.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().expect("a part")).collect()
}

/// The commands of a block, each with what it says.
fn commands(block: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, Vec::new())),
            (None, Some((_, said))) => said.push(line),
            (None, None) => panic!("{line:?} is said by nobody"),
        }
    }
    commands
}

/// Is that what stands there, if each `…` stands for anything?
fn is_like(said: &str, written: &str) -> bool {
    let mut parts = written.split('…');
    let first = parts.next().expect("a part");
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What a command line says, both ways, with its exit code if that is not 0.
fn said(line: &str, place: &Path) -> Vec<String> {
    let mut shell = without_notice(Command::new("sh"));
    let baton = programs::baton();
    let path = std::env::var("PATH").expect("a path");
    shell.args(["-c", &format!("exec 2>&1; {line}")]).current_dir(place);
    shell.env("BATON_DIR", place.join("state"));
    shell.env("PATH", format!("{}:{path}", baton.parent().expect("a directory").display()));
    let Ended { code, out, .. } = ended(shell);
    let code = code.filter(|&code| code != 0).map(|code| format!("exit code {code}"));
    out.lines().map(str::to_owned).chain(code).collect()
}

#[test]
fn every_command_of_the_page_says_what_stands_below_it() {
    let place = temporary();
    fs::write(place.path().join("job.toml"), blocks("toml")[0]).expect("written");
    let commands: Vec<_> = blocks("console").into_iter().flat_map(commands).collect();
    assert!(commands.len() > 10);
    for (command, written) in commands {
        let said = said(command, place.path());
        let is_right = said.len() == written.len()
            && said.iter().zip(&written).all(|(said, written)| is_like(said, written));
        assert!(is_right, "$ {command}\n{}\nis not\n{}", said.join("\n"), written.join("\n"));
    }
}
