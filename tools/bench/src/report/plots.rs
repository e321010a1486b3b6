//! Draws the plots of the report as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::figures::short;
use super::sections;
use crate::choices::Spread;
use crate::results::{Results, SERVICE};
use crate::topics::{closed, embedded, kept, open};

/// A plot.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    /// Title of the section that shows the plot.
    pub(super) section: &'static str,
}

struct Axes {
    x: &'static str,
    y: &'static str,
    /// Whether the x axis is logarithmic; the y axis always is.
    log_x: bool,
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (860, 460);
/// Height of the legend's frame and of each of its lines, as shares of the plot.
const LEGEND_SHARES: (f64, f64) = (0.06, 0.042);
/// Colours that are distinguishable with colour blindness.
const COLORS: [(u8, u8, u8); 6] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (90, 90, 90),
];

/// Draws the plots for which there are results.
pub(super) fn draw(results: &Results, dir: &Path) -> Result<Vec<Plot>> {
    let plots = [
        (
            Plot {
                file: "throughput.svg",
                title: "Throughput by connections",
                section: sections::HOT,
            },
            Axes {
                x: "connections",
                y: "orders settled per second",
                log_x: true,
            },
            throughput(results),
        ),
        (
            Plot {
                file: "latency.svg",
                title: "Latency by offered load",
                section: sections::OPEN,
            },
            Axes {
                x: "orders offered per second",
                y: "ms",
                log_x: false,
            },
            latency(results),
        ),
        (
            Plot {
                file: "kept.svg",
                title: "Median latency by orders kept",
                section: sections::KEPT,
            },
            Axes {
                x: "orders kept",
                y: "ms",
                log_x: true,
            },
            cost(results),
        ),
    ];
    let mut drawn = Vec::new();
    for (plot, axes, lines) in plots {
        let lines: Vec<Line> = lines
            .into_iter()
            .filter(|line| !line.points.is_empty())
            .collect();
        if !lines.is_empty() {
            let file = dir.join(plot.file);
            draw_one(&file, plot.title, &axes, &lines)
                .map_err(|error| anyhow!("{}: {error}", file.display()))?;
            drawn.push(plot);
        }
    }
    Ok(drawn)
}

fn throughput(results: &Results) -> Vec<Line> {
    let mut lines = Vec::new();
    for spread in [Spread::Hot, Spread::Uniform] {
        let topic = spread.name();
        for (topic, what, name) in [
            (topic, SERVICE, format!("service, {topic}")),
            (topic, closed::EACH, format!("{}, {topic}", closed::EACH)),
            (embedded::TOPIC, topic, format!("standalone, {topic}")),
        ] {
            let points = medians(results, topic, what, "settled_per_s");
            lines.push(Line { name, points });
        }
    }
    lines
}

fn latency(results: &Results) -> Vec<Line> {
    let series = [
        (SERVICE, "post_p50_ms", "POST p50"),
        (SERVICE, "post_p90_ms", "POST p90"),
        (SERVICE, "post_p99_ms", "POST p99"),
        (SERVICE, "settle_p99_ms", "to settled p99"),
        (open::INSERT, "post_p99_ms", "pgbench INSERT p99"),
    ];
    let offered = |share| results.median(open::TOPIC, SERVICE, share, "offered_per_s");
    series
        .into_iter()
        .map(|(what, metric, name)| Line {
            name: name.to_owned(),
            points: medians(results, open::TOPIC, what, metric)
                .into_iter()
                .filter_map(|(share, ms)| Some((offered(share)?, ms)))
                .collect(),
        })
        .collect()
}

fn cost(results: &Results) -> Vec<Line> {
    sections::KEPT_METRICS
        .iter()
        .map(|(name, metric)| Line {
            name: (*name).to_owned(),
            points: medians(results, kept::TOPIC, SERVICE, metric),
        })
        .collect()
}

fn medians(results: &Results, topic: &str, what: &str, metric: &str) -> Vec<(f64, f64)> {
    results
        .loads(topic, what, metric)
        .into_iter()
        .filter_map(|at| Some((at, results.median(topic, what, at, metric)?)))
        .collect()
}

/// Error of the plotting library.
type PlotError = Box<dyn std::error::Error>;

fn draw_one(file: &Path, title: &str, axes: &Axes, lines: &[Line]) -> Result<(), PlotError> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = bounds(points().map(|(x, _)| *x), axes.log_x);
    let (low, high) = bounds(points().map(|(_, y)| *y), true);
    let lines_high = u32::try_from(lines.len()).map_or(0.0, f64::from);
    let legend = (LEGEND_SHARES.0 + LEGEND_SHARES.1 * lines_high).min(0.6);
    let y = (low..with_headroom(low, high, legend)).log_scale();
    if axes.log_x {
        draw_in(file, title, axes, lines, (left..right).log_scale(), y)
    } else {
        draw_in(file, title, axes, lines, left..right, y)
    }
}

/// Returns the axis limits with a margin around all values; a linear axis starts at zero.
fn bounds(values: impl Iterator<Item = f64>, logarithmic: bool) -> (f64, f64) {
    let (min, max) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| {
        (min.min(value), max.max(value))
    });
    let lowest = if logarithmic {
        (min * 0.7).max(1e-6)
    } else {
        0.0
    };
    (lowest, (max * 1.2).max(lowest * 2.0).max(1e-5))
}

/// Returns the upper limit that leaves this share of a logarithmic axis free above the values.
fn with_headroom(low: f64, high: f64, share: f64) -> f64 {
    low * (high / low).powf(1.0 / (1.0 - share))
}

fn draw_in<X, Y>(
    file: &Path,
    title: &str,
    axes: &Axes,
    lines: &[Line],
    x: X,
    y: Y,
) -> Result<(), PlotError>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(x, y)?;
    let label = |value: &f64| short(*value);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let (red, green, blue) = COLORS[index % COLORS.len()];
        let color = RGBColor(red, green, blue).to_rgba();
        let points = line.points.iter().copied();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(points.map(|point| Circle::new(point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::empty;

    #[test]
    fn plot_names_each_line() {
        let mut results = empty();
        for (share, ms) in [(0.1, 1.0), (0.5, 2.0)] {
            results.add(
                open::TOPIC,
                SERVICE,
                share,
                "offered_per_s",
                share * 10_000.0,
            );
            results.add(open::TOPIC, SERVICE, share, "post_p99_ms", ms);
        }
        let dir = tempfile::tempdir().unwrap();
        let plots = draw(&results, dir.path()).unwrap();
        assert_eq!(plots.len(), 1);
        let svg = std::fs::read_to_string(dir.path().join(plots[0].file)).unwrap();
        assert!(
            svg.contains("POST p99") && !svg.contains("POST p50"),
            "{svg}"
        );
        assert!(svg.contains("orders offered per second"));
    }

    #[test]
    fn bounds_leave_a_margin_around_the_values() {
        let (low, high) = bounds([2.0, 5.0].into_iter(), true);
        assert!(low > 0.0 && low < 2.0 && high > 5.0);
        let (low, high) = bounds([0.0].into_iter(), true);
        assert!(low > 0.0 && high > low);
        assert!((with_headroom(1.0, 10.0, 0.5) - 100.0).abs() < 1e-9);
        assert!(bounds([3.0].into_iter(), false).0.abs() < f64::EPSILON);
    }
}
