//! `cargo xtask bench --publish`: puts the figures of the last whole run where people read them.
//!
//! What stands between two marks in `docs/benchmarks.md` and `README.md` is replaced, and nothing else: prose is written by hand, figures
//! never are. The plots go to `docs/plots`, all of them anew, and each is shown.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --publish` -->\n";
const END: &str = "<!-- end of the figures -->";

/// Publishes what a run has left in `from`, in the workspace `root`.
///
/// # Errors
///
/// There was no run, or a page has no place for figures.
pub(crate) fn publish(from: &Path, root: &Path) -> io::Result<()> {
    let figures = |name: &str| {
        fs::read_to_string(from.join(name)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("no figures of a whole run; run `cargo xtask bench` first: {error}"),
            )
        })
    };
    let (all, summary) = (figures("bench.md")?, figures("summary.md")?);
    let plots = root.join("docs/plots");
    let pictures = copy_plots(from, &plots)?;
    replace(&root.join("docs/benchmarks.md"), &format!("{}\n{}", all.trim_end(), shown(&pictures)))?;
    replace(&root.join("README.md"), &summary)
}

/// Replaces the plots that are there; gives back their names.
fn copy_plots(from: &Path, to: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(to)?;
    for old in plots_in(to)? {
        fs::remove_file(old)?;
    }
    let mut names = Vec::new();
    for plot in plots_in(from)? {
        let name = plot.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::copy(&plot, to.join(&name))?;
        names.push(name);
    }
    Ok(names)
}

fn plots_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut plots = paths.collect::<io::Result<Vec<_>>>()?;
    plots.retain(|path| path.extension() == Some(OsStr::new("svg")));
    plots.sort();
    Ok(plots)
}

fn shown(pictures: &[String]) -> String {
    let lines = pictures.iter().map(|name| format!("\n![{}](plots/{name})\n", name.trim_end_matches(".svg")));
    lines.collect()
}

fn replace(page: &Path, figures: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let no_place = || io::Error::other(format!("`{}` has no place for figures", page.display()));
    fs::write(page, with_figures(&text, figures).ok_or_else(no_place)?)
}

/// The page with these figures instead of those between the marks; `None` if it has none.
fn with_figures(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_what_is_between_the_marks_and_nothing_else() {
        let page = |figures: &str| format!("before\n\n{BEGIN}\n{figures}\n\n{END}\n\nafter\n");
        let once = with_figures(&page("old"), "| new |\n").expect("it has a place");
        assert_eq!(once, page("| new |"));
        assert_eq!(with_figures(&once, "| new |").as_deref(), Some(once.as_str()), "twice is once");
        for other in ["", BEGIN, END, &format!("{END}\n{BEGIN}")] {
            assert_eq!(with_figures(other, "x"), None, "{other}");
        }
    }

    #[test]
    fn pages_have_a_place_for_figures() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
        for page in ["docs/benchmarks.md", "README.md"] {
            let text = fs::read_to_string(root.join(page)).expect("it is there");
            assert!(with_figures(&text, "x").is_some(), "{page}");
        }
    }
}
