//! scratch
use baton_explore::catalogue::*;
use baton_explore::explore;
use baton_explore::mutants::MUTANTS;
fn run(case: &Case, m: Option<usize>, most: usize) -> explore::Report {
    match case.extent {
        Extent::Everything(_) => explore::everything(&case.scenario, m, most),
        Extent::AtRandom(n) => explore::at_random(&case.scenario, m, 0..n.min(most as u64)),
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let most: usize = args[2].parse().unwrap();
    if args[1] == "none" {
        use baton_explore::scenario::*;
        use baton_explore::story::End;
            for contenders in [2, 3] { for before in [Before::CleanEnd, Before::DeadHolder, Before::Nothing] { for crashes in [0, 1, 2] {
                let s = Scenario { name: "hunt", contenders, before, crashes, deletions: 1, deletes: &[Deleted::Guard], ends: &[End::Release, End::Abandon], ..Scenario::PLAIN };
                let t = std::time::Instant::now();
                let r = explore::at_random(&s, None, 0..most as u64);
                if let Some(f) = r.failure { println!("NONE by {contenders} {before:?} {crashes} after {} in {:?}: {}\n{}", r.executions, t.elapsed(), f.violation, f.trace); }
            }}}
            println!("NONE done");
        return;
    }
    if args[1] == "hunt" {
        use baton_explore::scenario::*;
        use baton_explore::story::End;
        for (n, m) in MUTANTS.iter().enumerate().filter(|(_, c)| args[3..].iter().any(|a| a == c.name)) {
            for contenders in [2, 3] { for before in [Before::CleanEnd, Before::DeadHolder, Before::Nothing] { for crashes in [0, 1, 2] {
                let s = Scenario { name: "hunt", contenders, before, crashes, deletions: 1, deletes: &[Deleted::Guard], ends: &[End::Release, End::Abandon], ..Scenario::PLAIN };
                let t = std::time::Instant::now();
                let r = explore::at_random(&s, Some(n), 0..most as u64);
                if let Some(f) = r.failure { println!("{} by {contenders} {before:?} {crashes} after {} in {:?}: {}", m.name, r.executions, t.elapsed(), f.violation); }
            }}}
            println!("{} done", m.name);
        }
        return;
    }
    if args[1] == "size" {
        use baton_explore::scenario::*;
        let ms: Vec<Option<usize>> = std::iter::once(None).chain(MUTANTS.iter().enumerate().filter(|(_, c)| args[3..].iter().any(|a| a == c.name)).map(|(n, _)| Some(n))).collect();
        for m in ms { for switches in [1, 2] { for before in [Before::CleanEnd, Before::DeadHolder] { for crashes in [0, 1] {
            let s = Scenario { name: "size", before, crashes, deletions: 1, deletes: &[Deleted::Guard], switches: Some(switches), ..Scenario::PLAIN };
            let t = std::time::Instant::now();
            let r = explore::everything(&s, m, most);
            println!("{m:?} {before:?} crashes {crashes} switches {switches}: {} states {} execs {} in {:?}", r.states, r.executions, r.is_complete, t.elapsed());
            if let Some(f) = r.failure { println!("VIOLATION {}", f.violation); if m.is_none() { println!("{}", f.trace); } }
        }}}}
        return;
    }
    if args[1] == "cases" {
        for case in CASES.iter().filter(|c| args.len() < 4 || args[3..].iter().any(|a| a == c.scenario.name)) {
            let t = std::time::Instant::now();
            let r = run(case, None, most);
            println!("{}: {} states {} execs complete={} {:?} in {:?}", case.scenario.name, r.states, r.executions, r.is_complete, r.seen, t.elapsed());
            if let Some(f) = r.failure { println!("VIOLATION {} seed {:?}\n{}", f.violation, f.seed, f.trace); }
        }
    } else {
        for (n, m) in MUTANTS.iter().enumerate().filter(|(_, c)| args.len() < 4 || args[3..].iter().any(|a| a == c.name)) {
            let mut any = false;
            for case in CASES {
                let t = std::time::Instant::now();
                let r = run(case, Some(n), most);
                if let Some(f) = r.failure {
                    any = true;
                    println!("{} by {} after {} in {:?}: {}", m.name, case.scenario.name, r.executions, t.elapsed(), f.violation);
                    if args.len() >= 4 { println!("{}", f.trace); }
                }
            }
            if !any { println!("{} NOT CAUGHT", m.name); }
        }
    }
}
