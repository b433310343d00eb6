//! Pictures of the measurements: bars for what was measured of several sides, lines for what grows with the number of contenders.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::sample::{Measurement, Side, Unit};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WIDTH: u32 = 980;
/// Of the longest name, in pixels.
const NAMES: u32 = 310;
/// Of one bar with its gap, in pixels.
const BAR: u32 = 30;
const FRAME: u32 = 110;

/// Ours in one colour, the floor in a pale one of the same kind, everybody else in another, so that the eye finds them; all are told apart
/// without colours too, by name.
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb2);
const FLOOR: RGBColor = RGBColor(0x9c, 0xc6, 0xe6);
const THEIRS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const INK: RGBColor = RGBColor(0x33, 0x3d, 0x47);

const LINES: [RGBColor; 9] = [
    OURS,
    RGBColor(0x5b, 0xa3, 0xd9),
    RGBColor(0xd9, 0x7a, 0x2b),
    RGBColor(0x4f, 0x9d, 0x5d),
    RGBColor(0xb0, 0x4a, 0x5a),
    RGBColor(0x7d, 0x5f, 0xb2),
    RGBColor(0x8a, 0x6d, 0x3b),
    RGBColor(0x60, 0x60, 0x60),
    RGBColor(0x2f, 0x9c, 0x9c),
];

/// Whose side it is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// It makes the calls of ours.
    Floor,
    Theirs,
}

impl Whose {
    fn is(name: &str) -> Self {
        match name.strip_prefix("baton") {
            Some(rest) if rest.ends_with("by hand") => Self::Floor,
            Some(_) => Self::Ours,
            None => Self::Theirs,
        }
    }

    fn colour(self) -> RGBColor {
        match self {
            Self::Ours => OURS,
            Self::Floor => FLOOR,
            Self::Theirs => THEIRS,
        }
    }
}

/// Horizontal bars of the medians, the quartiles as whiskers, on a logarithmic scale: the field is a thousand times wide.
///
/// # Errors
///
/// If the file can't be written.
pub fn bars(measurement: &Measurement, file: &Path) -> Result<()> {
    let mut sides: Vec<&Side> = measurement.sides.iter().filter(|side| side.median() > 0.0).collect();
    sides.sort_by(|one, other| other.median().total_cmp(&one.median()));
    let height = BAR * u32::try_from(sides.len())? + FRAME;
    let root = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{}, on {}", measurement.what, measurement.filesystem);
    let ends = sides.iter().flat_map(|side| [side.at(0.25), side.at(0.75)]);
    let (low, high) = ends.fold((f64::MAX, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let names: Vec<String> = sides.iter().map(|side| side.name.clone()).collect();
    let rows = sides.len();
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18, &INK))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(
            (low / 2.0..high * 2.5).log_scale(),
            (0..rows.saturating_sub(1)).into_segmented(),
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(rows * 2)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xdd, 0xe2, 0xe7))
        .axis_style(INK)
        .label_style(("sans-serif", 13, &INK))
        .x_desc(format!("{} (logarithmic)", measurement.unit.name()))
        .x_label_formatter(&|value| plain(*value))
        .y_label_formatter(&|segment| match segment {
            SegmentValue::CenterOf(row) => names.get(*row).cloned().unwrap_or_default(),
            _ => String::new(),
        })
        .draw()?;
    for (row, side) in sides.iter().enumerate() {
        let mut bar = Rectangle::new(
            [(low / 2.0, SegmentValue::Exact(row)), (side.median(), SegmentValue::Exact(row + 1))],
            Whose::is(&side.name).colour().filled(),
        );
        bar.set_margin(6, 6, 0, 0);
        chart.draw_series([bar])?;
        let middle = SegmentValue::CenterOf(row);
        chart.draw_series([PathElement::new(
            vec![(side.at(0.25), middle.clone()), (side.at(0.75), middle.clone())],
            INK.stroke_width(2),
        )])?;
        let beyond = side.at(0.75).max(side.median()) * 1.08;
        chart.draw_series([Text::new(
            plain(side.median()),
            (beyond, middle),
            ("sans-serif", 13, &INK).into_text_style(&root).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Left,
                plotters::style::text_anchor::VPos::Center,
            )),
        )])?;
    }
    Ok(root.present()?)
}

/// One line a side, over the number of contenders.
///
/// # Errors
///
/// If the file can't be written.
pub fn lines(title: &str, unit: Unit, points: &[(usize, &Measurement)], file: &Path) -> Result<()> {
    let root = SVGBackend::new(file, (WIDTH, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let medians = points.iter().flat_map(|(_, measurement)| measurement.sides.iter().map(Side::median));
    let (low, high) = medians
        .filter(|median| *median > 0.0)
        .fold((f64::MAX, 0.0_f64), |(low, high), median| (low.min(median), high.max(median)));
    let (first, last) = (points.first().map_or(1, |point| point.0), points.last().map_or(2, |point| point.0));
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18, &INK))
        .margin(14)
        .margin_right(NAMES)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (f64::from(u32::try_from(first)?)..f64::from(u32::try_from(last)?)).log_scale().base(2.0),
            (low / 2.0..high * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xdd, 0xe2, 0xe7))
        .axis_style(INK)
        .label_style(("sans-serif", 13, &INK))
        .x_desc("contenders")
        .y_desc(format!("{} (logarithmic)", unit.name()))
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| plain(*value))
        .draw()?;
    let names: Vec<&str> = points
        .first()
        .map_or(Vec::new(), |(_, first)| first.sides.iter().map(|side| side.name.as_str()).collect());
    let mut ends = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let colour = LINES[at % LINES.len()];
        let line: Vec<(f64, f64)> = points
            .iter()
            .filter_map(|(number, measurement)| {
                let median = measurement.side(name)?.median();
                (median > 0.0).then_some((f64::from(u32::try_from(*number).ok()?), median))
            })
            .collect();
        if let Some(end) = line.last() {
            ends.push((chart.backend_coord(end), *name, colour));
        }
        let width = if Whose::is(name) == Whose::Ours { 4 } else { 2 };
        chart.draw_series(LineSeries::new(line, colour.stroke_width(width)).point_size(3))?;
    }
    // The names stand at the ends of their lines, apart from each other.
    ends.sort_by_key(|((_, y), _, _)| *y);
    let mut free = i32::MIN;
    for ((x, y), name, colour) in ends {
        free = free.max(y - 8);
        root.draw(&Text::new(
            name.to_owned(),
            (x + 12, free),
            ("sans-serif", 13).into_font().color(&colour),
        ))?;
        free += 17;
    }
    Ok(root.present()?)
}

/// A number on an axis.
fn plain(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
