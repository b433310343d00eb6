//! The cost of acquiring and releasing a lock from Rust, for `cost.mjs` to compare with: `cycle LOCK ROUNDS BATCH` prints the
//! microseconds of one cycle, for each of ROUNDS batches, when a line on standard input asks for the next.
//!
//! The lock is opened each time, as it is from JavaScript.

use std::error::Error;
use std::io::{self, BufRead};
use std::time::Instant;

use baton_lock::{Attempt, Lock};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rounds, batch] = arguments.as_slice() else { return Err("cycle LOCK ROUNDS BATCH".into()) };
    let (rounds, batch): (usize, u32) = (rounds.parse()?, batch.parse()?);
    for line in io::stdin().lock().lines().take(rounds) {
        line?;
        let start = Instant::now();
        for _ in 0..batch {
            let Attempt::Held(held) = Lock::open(path)?.try_lock()? else {
                return Err("somebody else has it".into());
            };
            held.release()?;
        }
        println!("{}", start.elapsed().as_secs_f64() * 1e6 / f64::from(batch));
    }
    Ok(())
}
