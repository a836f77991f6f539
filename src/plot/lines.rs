//! A line chart: several named curves over one axis each way, with a legend; `loss.svg` is one.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::text::{escaped, number, printable, width};

/// What to draw. Points that do not lie on an axis (not finite, or not positive on a logarithmic one) break the curve at their place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// Heading, also the accessible title.
    pub title: String,
    /// Below the horizontal axis.
    pub x_label: String,
    /// Beside the vertical axis.
    pub y_label: String,
    /// Draws x on a logarithmic axis.
    pub log_x: bool,
    /// Draws y on a logarithmic axis.
    pub log_y: bool,
    /// Draws the points alone, not joined.
    pub marks: bool,
    /// The curves, in the order of the legend.
    pub series: Vec<Series>,
    /// What to hold them against: dashed and grey, under them.
    pub guide: Option<Series>,
}

/// One named curve; `points` are (x, y) in the order in which they are joined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// As it stands in the legend; any text is safe.
    pub name: String,
    /// Any numbers; non-finite ones leave a gap.
    pub points: Vec<(f64, f64)>,
}

/// The picture's size in CSS pixels.
const SIZE: (u32, u32) = (800, 440);
/// plotters places strokes on whole pixels; the picture is drawn this much larger and scaled by its view box.
const SCALE: u32 = 8;
/// Curves named in the legend; further ones are drawn without a name, and the legend says how many.
const LEGEND: usize = 12;

const INK: RGBColor = RGBColor(0x1f, 0x26, 0x30);
const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6a);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
/// Okabe and Ito's colours in the order that keeps the first ones furthest apart, darkened where white needs it.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x5f, 0xa8),
    RGBColor(0xd0, 0x4f, 0x00),
    RGBColor(0x00, 0x85, 0x61),
    RGBColor(0xa8, 0x4a, 0x86),
    RGBColor(0x8a, 0x6d, 0x00),
    RGBColor(0x2b, 0x8c, 0xbe),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x9c, 0x2a, 0x2a),
];

/// Draws `chart` as an SVG document of 800 by 440 pixels; with nothing to draw the picture says so.
///
/// ```
/// use trainyard::plot::{LineChart, Series, lines};
/// let svg = lines(&LineChart {
///     title: "iris".into(),
///     x_label: "epoch".into(),
///     y_label: "loss".into(),
///     log_y: true,
///     series: vec![Series { name: "val_loss".into(), points: vec![(0.0, 1.1), (1.0, 0.4), (2.0, f64::NAN)] }],
///     ..LineChart::default()
/// });
/// assert!(svg.starts_with("<svg") && svg.contains("<title"));
/// ```
pub fn lines(chart: &LineChart) -> String {
    let mut drawing = String::new();
    // Writing into a string cannot fail; were it to, the reader would still get a well-formed picture that says so.
    let body = match draw(chart, &mut drawing) {
        Ok(()) => inner(&drawing),
        Err(_) => "<text x=\"10\" y=\"200\" font-size=\"100\">this picture could not be drawn</text>\n</svg>\n",
    };
    let mut svg = String::with_capacity(body.len() + 1024);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-labelledby=\"title desc\" font-family=\"system-ui, sans-serif\" stroke-linejoin=\"round\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n",
        SIZE.0,
        SIZE.1,
        SIZE.0 * SCALE,
        SIZE.1 * SCALE,
        escaped(&printable(&chart.title, 200)),
        escaped(&description(chart)),
    );
    svg.push_str(body);
    svg
}

/// What follows plotters' own opening tag, its closing one included.
fn inner(drawing: &str) -> &str {
    drawing.split_once('>').map_or("</svg>\n", |(_, rest)| rest.trim_start())
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw(chart: &LineChart, out: &mut String) -> Drawn {
    let root = SVGBackend::with_string(out, (SIZE.0 * SCALE, SIZE.1 * SCALE)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = printable(&chart.title, 90);
    root.draw_text(&title, &style(15.0, INK, HPos::Left), at(16.0, 18.0))?;
    let header = legend(&root, chart)?;

    let fits = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
    let points = || chart.series.iter().chain(&chart.guide).flat_map(|s| s.points.iter());
    let ys = points().filter(|p| fits(p.0, chart.log_x)).map(|p| p.1);
    let xs = points().filter(|p| fits(p.1, chart.log_y)).map(|p| p.0);
    let (Some(x), Some(y)) = (Axis::around(xs, chart.log_x, 0.0, 8), Axis::around(ys, chart.log_y, 0.04, 6)) else {
        let some = chart.series.iter().any(|s| s.points.iter().any(|p| p.0.is_finite() && p.1.is_finite()));
        let why = if some { "no positive values to draw on a logarithmic axis" } else { "no values yet" };
        let middle = at(f64::from(SIZE.0) / 2.0, f64::from(SIZE.1) / 2.0);
        root.draw_text(why, &style(14.0, MUTED, HPos::Center), middle)?;
        return root.present();
    };

    let mut canvas = ChartBuilder::on(&root)
        .margin_top(px(header))
        .margin_right(px(20.0))
        .margin_bottom(px(6.0))
        .margin_left(px(4.0))
        .x_label_area_size(px(44.0))
        .y_label_area_size(px(64.0))
        .build_cartesian_2d(x.clone(), y.clone())?;
    canvas
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(SCALE))
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED.stroke_width(SCALE))
        .set_all_tick_mark_size(px(4.0))
        .x_desc(printable(&chart.x_label, 60))
        .y_desc(printable(&chart.y_label, 60))
        .label_style(("sans-serif", text_size(11.5)).into_font().color(&MUTED))
        .axis_desc_style(("sans-serif", text_size(12.5)).into_font().color(&INK))
        .draw()?;
    for run in chart.guide.iter().flat_map(|guide| runs(&guide.points, &x, &y)) {
        canvas.draw_series(DashedLineSeries::new(run, px(5.0), px(5.0), MUTED.stroke_width(SCALE)))?;
    }
    for (index, series) in chart.series.iter().enumerate() {
        let stroke = COLOURS[index % COLOURS.len()].stroke_width(2 * SCALE);
        for run in runs(&series.points, &x, &y) {
            if chart.marks {
                canvas.draw_series(run.iter().map(|point| Circle::new(*point, px(2.0), stroke.filled())))?;
            } else if let [only] = run.as_slice() {
                canvas.draw_series([Circle::new(*only, px(3.0), stroke.filled())])?;
            } else if index < COLOURS.len() {
                canvas.draw_series(LineSeries::new(run, stroke))?;
            } else {
                canvas.draw_series(DashedLineSeries::new(run, px(7.0), px(4.0), stroke))?;
            }
        }
    }
    root.present()
}

/// Draws the names of the curves under the title, in as many lines as they need, and says where the chart begins.
fn legend<B: DrawingBackend<ErrorType = std::io::Error>>(
    root: &DrawingArea<B, plotters::coord::Shift>,
    chart: &LineChart,
) -> Result<f64, DrawingAreaErrorKind<std::io::Error>> {
    let (mut x, mut y) = (16.0, 42.0);
    let more = chart.series.len().saturating_sub(LEGEND);
    let curves = chart.series.iter().take(LEGEND).enumerate().map(|(index, series)| {
        (series, COLOURS[index % COLOURS.len()].stroke_width(3 * SCALE), index >= COLOURS.len())
    });
    let guide = chart.guide.iter().map(|guide| (guide, MUTED.stroke_width(SCALE), true));
    for (series, stroke, dashed) in curves.chain(guide) {
        let name = printable(&series.name, 40);
        let wide = 26.0 + width(&name, 12.0) + 18.0;
        if x + wide > f64::from(SIZE.0) - 16.0 && x > 16.0 {
            (x, y) = (16.0, y + 18.0);
        }
        let strokes: &[(f64, f64)] = if dashed { &[(0.0, 7.0), (11.0, 18.0)] } else { &[(0.0, 18.0)] };
        for (from, to) in strokes {
            root.draw(&PathElement::new([at(x + from, y), at(x + to, y)], stroke))?;
        }
        root.draw_text(&name, &style(12.0, INK, HPos::Left), at(x + 24.0, y))?;
        x += wide;
    }
    if more > 0 {
        root.draw_text(&format!("and {more} more"), &style(12.0, MUTED, HPos::Left), at(x, y))?;
    }
    Ok(y + 16.0)
}

/// The stretches between gaps, each thinned to what a picture of this width can show.
fn runs(points: &[(f64, f64)], x: &Axis, y: &Axis) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|p| !(x.contains(p.0) && y.contains(p.1)))
        .filter(|run| !run.is_empty())
        .map(|run| thinned(run, 2 * SIZE.0 as usize))
        .collect()
}

/// Keeps the least and the greatest y of each of `buckets` equal stretches, in order, and both ends; so peaks stay.
fn thinned(run: &[(f64, f64)], buckets: usize) -> Vec<(f64, f64)> {
    if run.len() <= 4 * buckets {
        return run.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * buckets + 2);
    kept.extend(run.first());
    for stretch in run.chunks(run.len().div_ceil(buckets)) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let low = stretch.iter().enumerate().min_by(|a, b| by_y(&a.1, &b.1));
        let high = stretch.iter().enumerate().max_by(|a, b| by_y(&a.1, &b.1));
        if let (Some((i, low)), Some((j, high))) = (low, high) {
            kept.extend(if i <= j { [*low, *high] } else { [*high, *low] });
        }
    }
    kept.extend(run.last());
    kept
}

/// The chart in words, for those who do not see it: each curve's range and last value.
fn description(chart: &LineChart) -> String {
    let mut words = format!(
        "{} over {}{}.",
        printable(&chart.y_label, 60),
        printable(&chart.x_label, 60),
        if chart.log_y { ", logarithmic" } else { "" }
    );
    for series in chart.series.iter().take(LEGEND) {
        let finite = || series.points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let name = printable(&series.name, 40);
        match (finite().next_back(), finite().map(|p| p.1).reduce(f64::min), finite().map(|p| p.1).reduce(f64::max)) {
            (Some(last), Some(low), Some(high)) => {
                let _ = write!(
                    words,
                    " {name}: {} points from {} to {}, last {} at {}.",
                    finite().count(),
                    number(low, 4),
                    number(high, 4),
                    number(last.1, 4),
                    number(last.0, 6)
                );
            }
            _ => {
                let _ = write!(words, " {name}: no values.");
            }
        }
    }
    words
}

fn style(size: f64, colour: RGBColor, anchor: HPos) -> TextStyle<'static> {
    ("sans-serif", text_size(size)).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center))
}

/// The SVG backend divides a font's size by 1.24; this takes that back.
fn text_size(size: f64) -> f64 {
    size * 1.24 * f64::from(SCALE)
}

fn px(pixels: f64) -> i32 {
    (pixels * f64::from(SCALE)).round() as i32
}

fn at(x: f64, y: f64) -> (i32, i32) {
    (px(x), px(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(log_y: bool, series: Vec<(&str, Vec<(f64, f64)>)>) -> LineChart {
        LineChart {
            title: "iris · job".into(),
            x_label: "epoch".into(),
            y_label: "loss".into(),
            log_y,
            series: series.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect(),
            ..LineChart::default()
        }
    }

    /// Every `<` opens a known tag and all tags are closed; enough to see that no name got out of its place.
    fn well_formed(svg: &str) {
        let mut open = Vec::new();
        for piece in svg.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag ends");
            assert!(!text.contains('>'), "stray > in {text}");
            let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            assert!(
                ["svg", "title", "desc", "rect", "text", "line", "polyline", "circle"].contains(&name),
                "unexpected <{tag}>"
            );
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_chart_has_its_curves_its_names_and_words_for_those_who_do_not_see_it() {
        let falling: Vec<(f64, f64)> = (0..50).map(|e| (f64::from(e), 1.1 * (-0.1 * f64::from(e)).exp())).collect();
        let svg = lines(&chart(true, vec![("loss", falling.clone()), ("val_loss", falling)]));
        well_formed(&svg);
        for colour in ["#005FA8", "#D04F00"] {
            assert_eq!(svg.matches(&format!("stroke=\"{colour}\"")).count(), 2, "one in the legend, one in the chart");
        }
        assert!(svg.contains("val_loss: 50 points from 0.008191 to 1.1, last 0.008191 at 49."), "{svg}");
        assert!(svg.contains("role=\"img\""));
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let name = "</title><script>alert(1)</script>&\"'\u{0}\u{202E}";
        let mut hostile = chart(false, vec![(name, vec![(0.0, 1.0), (1.0, 2.0)])]);
        hostile.title = name.into();
        hostile.y_label = name.into();
        let svg = lines(&hostile);
        well_formed(&svg);
        assert!(!svg.contains("<script") && !svg.contains('\u{0}') && !svg.contains('\u{202E}'));
    }

    #[test]
    fn a_value_that_is_no_number_leaves_a_gap() {
        let points = vec![(0.0, 1.0), (1.0, 0.9), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 0.5), (5.0, 0.4)];
        let y = Axis::around([0.4, 1.0].into_iter(), false, 0.0, 5).unwrap();
        let x = Axis::around([0.0, 5.0].into_iter(), false, 0.0, 5).unwrap();
        assert_eq!(runs(&points, &x, &y), [points[..2].to_vec(), points[4..].to_vec()]);
        well_formed(&lines(&chart(false, vec![("loss", points)])));
    }

    #[test]
    fn a_chart_without_values_says_so() {
        for (log, points, says) in [
            (false, vec![], "no values yet"),
            (true, vec![(0.0, f64::NAN)], "no values yet"),
            (true, vec![(0.0, 0.0), (1.0, -1.0)], "no positive values"),
        ] {
            let svg = lines(&chart(log, vec![("loss", points)]));
            well_formed(&svg);
            assert!(svg.contains(says));
        }
        well_formed(&lines(&chart(false, vec![])));
    }

    #[test]
    fn extreme_values_and_single_points_are_drawn() {
        for log in [false, true] {
            for points in [
                vec![(0.0, 1e-320), (1.0, 1e308)],
                vec![(0.0, -f64::MAX), (1.0, f64::MAX)],
                vec![(3.0, 0.0)],
                vec![(1e300, 7.0), (-1e300, 7.0)],
            ] {
                well_formed(&lines(&chart(log, vec![("a", points)])));
            }
        }
    }

    #[test]
    fn a_logarithmic_x_spreads_decades_evenly() {
        let decades: Vec<(f64, f64)> = (-6..=1).map(|d| (10f64.powi(d), f64::from(d))).collect();
        let mut wide = chart(false, vec![("loss", decades)]);
        wide.log_x = true;
        wide.series[0].points.push((0.0, 1.0));
        let svg = lines(&wide);
        well_formed(&svg);
        assert!(svg.contains("\n1e-5\n") && svg.contains("\n0.01\n"), "{svg}");
    }

    #[test]
    fn a_million_points_become_a_small_picture_that_keeps_its_peak() {
        let mut points: Vec<(f64, f64)> = (0..1_000_000).map(|i| (f64::from(i), 1.0)).collect();
        points[456_789].1 = 9.0;
        let kept = thinned(&points, 1600);
        assert!(kept.len() < 4000 && kept.contains(&(456_789.0, 9.0)));
        assert!(lines(&chart(false, vec![("loss", points)])).len() < 100_000);
    }

    #[test]
    fn many_curves_are_all_drawn_and_the_legend_says_how_many_it_leaves_out() {
        let many: Vec<(String, f64)> = (0..20).map(|i| (format!("trial {i}"), f64::from(i))).collect();
        let series = many.iter().map(|(n, v)| (n.as_str(), vec![(0.0, *v), (1.0, *v)])).collect();
        let svg = lines(&chart(false, series));
        well_formed(&svg);
        assert!(svg.contains("and 8 more"));
    }
}
