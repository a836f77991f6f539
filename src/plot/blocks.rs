//! Pictures made of rectangles: a matrix of counts and a list of bars. Written by hand, since they have no axes to place.

use std::fmt::Write as _;

use super::text::{escaped, number, printable, width};

/// Counts by true class (rows) and predicted class (columns).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Heading, also the accessible title.
    pub title: String,
    /// Names of rows and columns; any text is safe.
    pub labels: Vec<String>,
    /// `[labels][labels]`.
    pub counts: Vec<Vec<u64>>,
}

/// Named values with their spread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Heading, also the accessible title.
    pub title: String,
    /// Name, value and standard deviation; any numbers.
    pub values: Vec<(String, f64, f64)>,
    /// A value with its name that is drawn as a line across all bars.
    pub limit: Option<(String, f64)>,
    /// Draws values on a logarithmic axis, the bars from its left end; what is not positive has none.
    pub log: bool,
}

const INK: &str = "#1F2630";
const MUTED: &str = "#57606A";
/// The widest that a name may be, in pixels and in letters.
const NAME: (f64, usize) = (180.0, 26);

/// Draws a matrix as an SVG document: a cell's shade is its share of the row.
pub fn matrix(matrix: &Matrix) -> String {
    let n = matrix.labels.len();
    let cell = (560.0 / n.max(1) as f64).clamp(16.0, 64.0);
    let names: Vec<String> = matrix.labels.iter().map(|label| printable(label, NAME.1)).collect();
    let left = names.iter().map(|name| width(name, 12.0)).fold(60.0, f64::max).min(NAME.0) + 34.0;
    let top = 64.0 + left.min(120.0);
    let mut words = "Rows: true class; columns: predicted class.".to_owned();
    let mut body = String::new();
    let side = cell * n as f64;
    text(&mut body, left + side / 2.0, 46.0, "middle", MUTED, 12.0, "predicted");
    text(&mut body, 12.0, top - 8.0, "start", MUTED, 12.0, "true");
    for (i, row) in matrix.counts.iter().enumerate() {
        let total: u64 = row.iter().sum();
        let y = top + cell * i as f64;
        let name = names.get(i).map_or("", String::as_str);
        text(&mut body, left - 8.0, y + cell / 2.0 + 4.0, "end", INK, 12.0, name);
        let x = left + cell * (i as f64 + 0.5);
        let _ = writeln!(
            body,
            "<text transform=\"translate({x:.1} {:.1}) rotate(-60)\" font-size=\"12\" fill=\"{INK}\">{}</text>",
            top - 6.0,
            escaped(name)
        );
        for (j, count) in row.iter().enumerate() {
            let share = *count as f64 / total.max(1) as f64;
            let x = left + cell * j as f64;
            let colour = if i == j { "#005FA8" } else { "#D04F00" };
            let _ = writeln!(
                body,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell:.1}\" height=\"{cell:.1}\" fill=\"{colour}\" \
                 fill-opacity=\"{:.3}\" stroke=\"#E3E6EA\"/>",
                share * 0.9
            );
            let ink = if share > 0.55 { "#FFFFFF" } else { INK };
            if *count > 0 && cell > 20.0 {
                let size = if *count < 1000 { 12.0 } else { 9.0 };
                text(&mut body, x + cell / 2.0, y + cell / 2.0 + 4.0, "middle", ink, size, &count.to_string());
            }
            if *count > 0 && n <= 12 {
                let other = names.get(j).map_or("", String::as_str);
                let _ = write!(words, " {name} as {other}: {count}.");
            }
        }
    }
    document(&matrix.title, &words, (left + side + 20.0).max(420.0), top + side + 16.0, &body)
}

/// Draws bars as an SVG document, each with its spread as a thin line.
pub fn bars(chart: &Bars) -> String {
    let finite: Vec<_> = chart.values.iter().filter(|(_, value, std)| value.is_finite() && std.is_finite()).collect();
    let names: Vec<String> = finite.iter().map(|(name, ..)| printable(name, NAME.1)).collect();
    let left = names.iter().map(|name| width(name, 12.0)).fold(60.0, f64::max).min(NAME.0) + 24.0;
    let room = 800.0 - left - 110.0;
    let scale = Scale::of(chart, finite.iter().map(|(_, value, _)| *value), left, room);
    let at = |value: f64| scale.at(value);
    let (mut body, mut words) = (String::new(), String::new());
    for (i, ((_, value, std), name)) in finite.iter().zip(&names).enumerate() {
        let y = 46.0 + 22.0 * i as f64;
        let (from, to) = if chart.log { (left, at(*value)) } else { (at(value.min(0.0)), at(value.max(0.0))) };
        let (std, end) = if chart.log { (0.0, *value) } else { (*std, value.max(0.0) + std) };
        text(&mut body, left - 8.0, y + 12.0, "end", INK, 12.0, name);
        let _ = writeln!(
            body,
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"16\" fill=\"#005FA8\"/>\n\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\"/>",
            (to - from).max(0.5),
            at(value - std),
            at(value + std),
            y + 8.0,
            y + 8.0
        );
        text(&mut body, at(end) + 8.0, y + 12.0, "start", MUTED, 12.0, &number(*value, 3));
        let _ = write!(words, " {name}: {}.", number(*value, 3));
    }
    if finite.is_empty() {
        text(&mut body, 400.0, 80.0, "middle", MUTED, 14.0, "no values yet");
        words.push_str("no values");
    }
    let below = 46.0 + 22.0 * finite.len().max(1) as f64;
    if let Some((name, limit)) = chart.limit.as_ref().filter(|(_, limit)| limit.is_finite()) {
        let x = at(*limit);
        let _ = writeln!(
            body,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"40\" y2=\"{below:.1}\" stroke=\"#D04F00\" stroke-dasharray=\"4 3\"/>"
        );
        let (anchor, x) = if x > 400.0 { ("end", x - 4.0) } else { ("start", x + 4.0) };
        text(&mut body, x, below + 12.0, anchor, "#A03C00", 12.0, &format!("{name} {}", number(*limit, 3)));
        let _ = write!(words, " {name}: {}.", number(*limit, 3));
    }
    document(&chart.title, words.trim(), 800.0, (below + 22.0).max(104.0), &body)
}

/// Where values lie from left to right.
struct Scale {
    low: f64,
    range: f64,
    left: f64,
    room: f64,
    log: bool,
}

impl Scale {
    fn of(chart: &Bars, values: impl Iterator<Item = f64>, left: f64, room: f64) -> Scale {
        let all = values.chain(chart.limit.iter().map(|(_, limit)| *limit));
        let (low, high) = if chart.log {
            let powers = all.filter(|value| *value > 0.0 && value.is_finite()).map(f64::log10);
            let (low, high) =
                powers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
            if low.is_finite() { (low.floor() - 1.0, high.ceil()) } else { (-1.0, 0.0) }
        } else {
            all.filter(|value| value.is_finite())
                .fold((0.0, 0.0), |(low, high), x| (f64::min(low, x), f64::max(high, x)))
        };
        let range = if high - low > 0.0 { high - low } else { 1.0 };
        Scale { low, range, left, room, log: chart.log }
    }

    fn at(&self, value: f64) -> f64 {
        let place = match self.log {
            true if value > 0.0 => value.log10(),
            true => self.low,
            false => value,
        };
        self.left + ((place - self.low) / self.range).clamp(0.0, 1.0) * self.room
    }
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, colour: &str, size: f64, text: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{colour}\">{}</text>",
        escaped(text)
    );
}

fn document(title: &str, words: &str, width: f64, height: f64, body: &str) -> String {
    let title = escaped(&printable(title, 200));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"title desc\" \
         font-family=\"system-ui, sans-serif\">\n<title id=\"title\">{title}</title>\n<desc id=\"desc\">{}</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n\
         <text x=\"16\" y=\"22\" font-size=\"15\" fill=\"{INK}\">{title}</text>\n{body}</svg>\n",
        escaped(words)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_shows_its_counts_and_hostile_names_stay_text() {
        let labels = vec!["a".to_owned(), "<script>\"&\u{0}".to_owned()];
        let svg = matrix(&Matrix { title: "<b>".into(), labels, counts: vec![vec![7, 1], vec![0, 3]] });
        assert!(svg.contains(">7</text>") && svg.contains("a as &lt;script&gt;&quot;&amp;: 1."), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{0}'));
    }

    #[test]
    fn bars_take_any_numbers() {
        let named = |value: f64| ("x".to_owned(), value, 0.1);
        for values in [vec![], vec![named(f64::NAN)], vec![named(0.0)], vec![named(-2.0), named(f64::MAX), named(1.0)]]
        {
            let svg = bars(&Bars { title: "t".into(), values: values.clone(), ..Bars::default() });
            let log = Bars { title: "t".into(), values, log: true, limit: Some(("most".into(), 1e-6)) };
            assert!(!bars(&log).contains("NaN") && bars(&log).contains("most 1e-6"));
            assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        let svg = bars(&Bars { title: "t".into(), values: vec![named(1.25), named(-0.5)], ..Bars::default() });
        assert!(svg.contains("x: 1.25. x: -0.5."), "{svg}");
    }
}
