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
