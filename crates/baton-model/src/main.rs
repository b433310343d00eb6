//! Quick.
use baton_model::{model::{check, Extent}, trace, variant::*};
use std::time::{Duration, Instant};
fn main() {
    let mut s = Setting::OURS;
    let mut first = true;
    for a in std::env::args().skip(1) {
        let (k, v) = a.split_once('=').unwrap();
        match k {
            "n" => s.contenders = v.parse().unwrap(),
            "a" => s.ancestors = v.parse().unwrap(),
            "c" => s.crashes = v.parse().unwrap(),
            "d" => s.deletions = v.parse().unwrap(),
            "del" => s.deletes = match v { "g" => Deletes::Guard, "r" => Deletes::Record, "b" => Deletes::Both, _ => Deletes::OneOfBoth },
            "flock" => s.naming = Naming::Flock,
            "back" => s.clock = Clock::SetBack,
            "uncond" => s.cleanup = Cleanup::Unconditional,
            "reuse" => s.are_numbers_reused = v == "1",
            "all" => first = false,
            _ => panic!(),
        }
    }
    let t = Instant::now();
    let r = check(s, if first { Extent::FirstFailure } else { Extent::Everything }, 2, Duration::from_secs(100));
    println!("{} states, complete {}, {:?}, unseen {:?}", r.states, r.is_complete, t.elapsed(), r.unseen);
    for (p, path) in r.broken { println!("BROKEN {p}\n{}", trace::of(&path)); }
}
