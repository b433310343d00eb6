//! `cargo xtask bench --publish` and `bench-etcd --publish`: put the figures of the last whole run where people read them.
//!
//! What stands between two marks in a page is replaced, and nothing else: prose is written by hand, figures never are. The plots go to
//! `docs/plots` and `docs/plots/etcd`, all of them anew, and each is shown.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// Before figures of the one verb and of the other.
const OF_BENCH: &str = "<!-- figures: written by `cargo xtask bench --publish` -->\n";
const OF_ETCD: &str = "<!-- figures: written by `cargo xtask bench-etcd --publish` -->\n";
const END: &str = "<!-- end of the figures -->";

/// Publishes what a run of `bench` has left in `from`, in the workspace `root`.
///
/// # Errors
///
/// There was no run, or a page has no place for figures.
pub(crate) fn publish(from: &Path, root: &Path) -> io::Result<()> {
    let (all, summary) = (figures(from, "bench.md")?, figures(from, "summary.md")?);
    let pictures = copy_plots(from, root, "plots")?;
    replace(&root.join("docs/benchmarks.md"), OF_BENCH, &format!("{}\n{pictures}", all.trim_end()))?;
    replace(&root.join("README.md"), OF_BENCH, &summary)
}

/// The same of `bench-etcd`.
///
/// # Errors
///
/// There was no run, or the page has no place for figures.
pub(crate) fn publish_etcd(from: &Path, root: &Path) -> io::Result<()> {
    let all = figures(from, "bench-etcd.md")?;
    let pictures = copy_plots(from, root, "plots/etcd")?;
    replace(&root.join("docs/etcd-scale.md"), OF_ETCD, &format!("{}\n{pictures}", all.trim_end()))
}

fn figures(from: &Path, name: &str) -> io::Result<String> {
    fs::read_to_string(from.join(name)).map_err(|error| {
        io::Error::new(error.kind(), format!("no figures of a whole run; there has to be one first: {error}"))
    })
}

/// Replaces the plots that are there, in this directory below `docs`; gives back what shows them in a page there.
fn copy_plots(from: &Path, root: &Path, directory: &str) -> io::Result<String> {
    let to = root.join("docs").join(directory);
    fs::create_dir_all(&to)?;
    for old in plots_in(&to)? {
        fs::remove_file(old)?;
    }
    let mut shown = String::new();
    for plot in plots_in(from)? {
        let name = plot.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::copy(&plot, to.join(&name))?;
        let title = name.trim_end_matches(".svg");
        // Writing to a string can't fail.
        let _ = writeln!(shown, "\n![{title}]({directory}/{name})");
    }
    Ok(shown)
}

fn plots_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut plots = paths.collect::<io::Result<Vec<_>>>()?;
    plots.retain(|path| path.extension() == Some(OsStr::new("svg")));
    plots.sort();
    Ok(plots)
}

fn replace(page: &Path, mark: &str, figures: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let no_place = || io::Error::other(format!("`{}` has no place for figures", page.display()));
    fs::write(page, with_figures(&text, mark, figures).ok_or_else(no_place)?)
}

/// The page with these figures instead of those between this mark and the end of figures; `None` if it has none.
fn with_figures(page: &str, mark: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(mark)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{mark}\n{}\n\n{END}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_what_is_between_the_marks_and_nothing_else() {
        let page = |figures: &str| format!("before\n\n{OF_BENCH}\n{figures}\n\n{END}\n\nafter\n");
        let once = with_figures(&page("old"), OF_BENCH, "| new |\n").expect("it has a place");
        assert_eq!(once, page("| new |"));
        assert_eq!(with_figures(&once, OF_BENCH, "| new |").as_deref(), Some(once.as_str()), "twice is once");
        for other in ["", OF_BENCH, END, &format!("{END}\n{OF_BENCH}"), &page("x").replace(OF_BENCH, OF_ETCD)]
        {
            assert_eq!(with_figures(other, OF_BENCH, "x"), None, "{other}");
        }
    }

    #[test]
    fn pages_have_a_place_for_figures() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
        for (page, mark) in
            [("docs/benchmarks.md", OF_BENCH), ("README.md", OF_BENCH), ("docs/etcd-scale.md", OF_ETCD)]
        {
            let text = fs::read_to_string(root.join(page)).expect("it is there");
            assert!(with_figures(&text, mark, "x").is_some(), "{page}");
        }
    }
}
