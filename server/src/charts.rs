//! Charts as SVG, made on the server: they print, they need no script, and their colours are the page's (light or dark).
//!
//! Pure: numbers and words in, SVG out. Every chart has a title and a description inside, for who does not see it; the
//! page shows the numbers in a table beside it. On a phone of 360 pixels its words can still be
//! read.

use plotters::prelude::*;

use crate::visible::visible;

/// One of the page's colours. The library knows numbers alone, so each stands for a variable of the style sheet.
#[derive(Clone, Copy)]
enum Ink {
    Text,
    Grid,
    First,
}

impl Ink {
    const ALL: [Ink; 3] = [Ink::Text, Ink::Grid, Ink::First];

    fn number(self) -> RGBColor {
        RGBColor(1, 2, 3 + self as u8)
    }

    fn variable(self) -> &'static str {
        match self {
            Ink::Text => "var(--quiet)",
            Ink::Grid => "var(--grid)",
            Ink::First => "var(--chart-1)",
        }
    }
}

/// What a chart says in words.
#[derive(Clone, Copy, Debug)]
pub struct Caption<'a> {
    /// What it is about.
    pub title: &'a str,
    /// What can be seen in it, in a sentence.
    pub description: &'a str,
}

/// Size of words, as the library counts it; in the drawing it is smaller by a fifth.
const WORDS: u32 = 22;
/// Size of words where there is less room.
const SMALL_WORDS: u32 = 20;

/// How a chart writes a number.
pub type Number<'a> = &'a dyn Fn(u64) -> String;

/// A chart that cannot be drawn: no room for its labels.
#[derive(Debug, thiserror::Error)]
#[error("the chart cannot be drawn: {0}")]
pub struct ChartError(String);

/// Columns from left to right: something over time.
///
/// # Errors
/// [`ChartError`].
pub fn columns(
    caption: Caption<'_>,
    number: Number<'_>,
    values: &[(String, u64)],
) -> Result<String, ChartError> {
    const SIZE: (u32, u32) = (480, 200);
    let top = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    draw(SIZE, caption, |area| {
        let across = (0..values.len()).into_segmented();
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            // For the upper half of the highest number.
            .margin_top(14)
            .x_label_area_size(32)
            .y_label_area_size(60)
            .build_cartesian_2d(across, 0..top + top.div_ceil(10))?;
        let named = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(at) => values.get(*at).map(|(name, _)| name.clone()).unwrap_or_default(),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Ink::Grid.number())
            .axis_style(Ink::Grid.number())
            .label_style(("sans-serif", WORDS).into_font().color(&Ink::Text.number()))
            .x_labels(5)
            .x_label_formatter(&named)
            .y_labels(4)
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        let bars = values.iter().enumerate().map(|(at, (_, value))| {
            let corners = [
                (SegmentValue::Exact(at), 0),
                (SegmentValue::Exact(at + 1), *value),
            ];
            let mut bar = Rectangle::new(corners, Ink::First.number().filled());
            bar.set_margin(0, 0, 1, 1);
            bar
        });
        chart.draw_series(bars)?;
        Ok(())
    })
}

/// Bars from top to bottom, each with its name and number: something by kind.
///
/// # Errors
/// [`ChartError`].
pub fn bars(
    caption: Caption<'_>,
    number: Number<'_>,
    values: &[(String, u64)],
) -> Result<String, ChartError> {
    const LINE: i32 = 30;
    const NAME: i32 = 236;
    const NAME_CHARS: usize = 25;
    const LENGTH: i32 = 180;
    const WIDTH: i32 = 480;
    let height = u32::try_from(values.len()).unwrap_or(0).max(1) * LINE.unsigned_abs() + 8;
    let top = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    draw((WIDTH.unsigned_abs(), height), caption, |area| {
        let style = ("sans-serif", WORDS).into_font().color(&Ink::Text.number());
        let place = plotters::style::text_anchor::Pos::new;
        use plotters::style::text_anchor::{HPos, VPos};
        for ((name, value), y) in values.iter().zip((4..).step_by(LINE as usize)) {
            let length = i32::try_from(value * u64::from(LENGTH.unsigned_abs()) / top).unwrap_or(LENGTH);
            let middle = y + LINE / 2;
            if length > 0 {
                let bar = [(NAME, y + 4), (NAME + length, y + LINE - 4)];
                area.draw(&Rectangle::new(bar, Ink::First.number().filled()))?;
            }
            let name_style = style.clone().pos(place(HPos::Right, VPos::Center));
            let name = shortened(name, NAME_CHARS);
            area.draw(&Text::new(name, (NAME - 8, middle), name_style))?;
            let number_style = style.clone().pos(place(HPos::Left, VPos::Center));
            area.draw(&Text::new(
                number(*value),
                (NAME + length + 8, middle),
                number_style,
            ))?;
        }
        Ok(())
    })
}

/// Small multiples: one line of days for each name, each day the darker the more happened, under the names of the first day
/// of each week and of the last day.
///
/// # Errors
/// [`ChartError`].
pub fn days(
    caption: Caption<'_>,
    names: &[String],
    rows: &[(String, Vec<u64>)],
) -> Result<String, ChartError> {
    /// A day across, and a line down.
    const CELL: (i32, i32) = (9, 20);
    const NAME: i32 = 144;
    const NAME_CHARS: usize = 17;
    /// Days for which there is room; fewer do not make the words larger.
    const DAYS: usize = 31;
    const WEEK: usize = 7;
    /// So many days two names need to stand beside each other.
    const APART: usize = 10;
    let across = names.len();
    let top = rows
        .iter()
        .flat_map(|(_, days)| days)
        .copied()
        .max()
        .unwrap_or(0)
        .max(1);
    let size = |cells: usize, cell: i32| i32::try_from(cells).unwrap_or(0) * cell;
    let end = NAME + size(across, CELL.0);
    let whole = (
        (NAME + size(across.max(DAYS), CELL.0) + 8).unsigned_abs(),
        (size(rows.len() + 1, CELL.1) + 6).unsigned_abs(),
    );
    draw(whole, caption, |area| {
        use plotters::style::text_anchor::{HPos, Pos, VPos};
        let style = ("sans-serif", SMALL_WORDS).into_font().color(&Ink::Text.number());
        let at = |side| style.clone().pos(Pos::new(side, VPos::Center));
        let middle = CELL.1 / 2;
        let weeks = names.iter().zip((NAME..).step_by(CELL.0 as usize)).enumerate();
        let weeks = weeks.step_by(WEEK);
        for (_, (name, x)) in weeks.filter(|(day, _)| *day == 0 || day + APART <= across) {
            area.draw(&Text::new(name.clone(), (x, middle), at(HPos::Left)))?;
        }
        if let Some(last) = names.last().filter(|_| across >= APART) {
            area.draw(&Text::new(last.clone(), (end, middle), at(HPos::Right)))?;
        }
        for ((name, days), y) in rows.iter().zip((CELL.1 + 2..).step_by(CELL.1 as usize)) {
            let name = shortened(name, NAME_CHARS);
            area.draw(&Text::new(name, (NAME - 8, y + middle), at(HPos::Right)))?;
            for (value, x) in days.iter().zip((NAME..).step_by(CELL.0 as usize)) {
                let colour = match value {
                    0 => Ink::Grid.number().mix(0.5),
                    some => Ink::First.number().mix(0.25 + 0.75 * *some as f64 / top as f64),
                };
                area.draw(&Rectangle::new(
                    [(x + 1, y + 1), (x + CELL.0, y + CELL.1 - 1)],
                    colour.filled(),
                ))?;
            }
        }
        Ok(())
    })
}

/// A name of at most so many characters.
fn shortened(name: &str, chars: usize) -> String {
    let name = visible(name);
    match name.chars().count() <= chars {
        true => name,
        false => name.chars().take(chars - 1).chain(['…']).collect(),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    size: (u32, u32),
    caption: Caption<'_>,
    paint: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<String, ChartError> {
    let failed = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area).map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    for ink in Ink::ALL {
        let RGBColor(r, g, b) = ink.number();
        svg = svg.replace(&format!("#{r:02X}{g:02X}{b:02X}"), ink.variable());
    }
    // As wide as its place, and spoken by who does not see it.
    let (Some(begin), Some(end)) = (svg.find("<svg"), svg.find('>')) else {
        return Err(ChartError("no drawing".to_owned()));
    };
    let body = svg.get(end.max(begin) + 1..).unwrap_or_default();
    let (width, height) = size;
    let (title, description) = (escaped(caption.title), escaped(caption.description));
    Ok(format!(
        r#"<svg role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg"><title>{title}</title><desc>{description}</desc>{body}"#
    ))
}

fn escaped(text: &str) -> String {
    visible(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How wide a chart is on a screen of 360 pixels: without the edges of the page and of its box.
    const NARROW: f64 = 302.0;

    const CAPTION: Caption<'_> = Caption {
        title: "Lượt hỗ trợ <b>",
        description: "Nhiều nhất 7 & ít nhất 0",
    };

    fn plain(number: u64) -> String {
        number.to_string()
    }

    fn march(days: u64) -> Vec<String> {
        (1..=days).map(|day| format!("{day:02}/03")).collect()
    }

    fn some() -> Vec<(String, u64)> {
        vec![("Thôn <script>".to_owned(), 7), ("Thôn 2".to_owned(), 0)]
    }

    #[test]
    fn a_chart_is_spoken_and_takes_the_colours_of_the_page() {
        let rows = vec![("Thôn <script>".to_owned(), vec![0, 3, 7])];
        for svg in [
            columns(CAPTION, &plain, &some()),
            bars(CAPTION, &plain, &some()),
            days(CAPTION, &march(3), &rows),
        ] {
            let svg = svg.unwrap();
            assert!(svg.starts_with(r#"<svg role="img" viewBox="#), "{svg}");
            assert!(
                svg.contains("<title>Lượt hỗ trợ &lt;b&gt;</title><desc>Nhiều nhất 7 &amp; ít nhất 0</desc>")
            );
            assert!(svg.contains("var(--chart-1)") && !svg.contains("#0102"), "{svg}");
            assert!(!svg.contains("<script>") && !svg.contains("style="), "{svg}");
            assert!(svg.trim_end().ends_with("</svg>"));
        }
    }

    /// The number after a word of an SVG, each time that it stands there.
    fn numbers(svg: &str, before: &str) -> Vec<f64> {
        let found = svg.split(before).skip(1);
        let number = |text: &str| text.split(['"', ' ']).next().unwrap().parse().unwrap();
        found.map(number).collect()
    }

    #[test]
    fn words_can_be_read_on_a_phone() {
        let many: Vec<(String, u64)> = (1..=366).map(|n| (format!("{n:02}/03"), n * 1000)).collect();
        let rows = |days: u64| vec![("Thôn Đồng Minh 1".to_owned(), (0..days).collect())];
        for svg in [
            columns(CAPTION, &plain, &many),
            bars(CAPTION, &plain, &some()),
            days(CAPTION, &march(31), &rows(31)),
            days(CAPTION, &march(1), &rows(1)),
        ] {
            let svg = svg.unwrap();
            let across = numbers(&svg, r#"viewBox="0 0 "#)[0];
            let sizes = numbers(&svg, r#"font-size=""#);
            let least = sizes.iter().copied().fold(f64::MAX, f64::min);
            assert!(
                !sizes.is_empty() && least * NARROW / across >= 11.0,
                "{least} in {across}"
            );
        }
    }

    #[test]
    fn nothing_is_drawn_too() {
        assert!(columns(CAPTION, &plain, &[]).is_ok());
        assert!(bars(CAPTION, &plain, &[]).is_ok());
        assert!(days(CAPTION, &[], &[]).is_ok());
    }

    #[test]
    fn days_are_named_by_the_week_and_no_name_stands_on_another() {
        let named = |across: u64| {
            let rows = vec![("Thôn 1".to_owned(), vec![1; across as usize])];
            let svg = days(CAPTION, &march(across), &rows).unwrap();
            let words = svg.split('\n').filter(|line| line.ends_with("/03"));
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(named(31), ["01/03", "08/03", "15/03", "22/03", "31/03"]);
        assert_eq!(named(28), ["01/03", "08/03", "15/03", "28/03"]);
        assert_eq!(named(10), ["01/03", "10/03"]);
        assert_eq!(named(9), ["01/03"]);
    }

    #[test]
    fn numbers_are_written_as_one_is_told() {
        let many = vec![("Thôn 1".to_owned(), 1234)];
        let number = |n: u64| format!("{n} lượt");
        assert!(bars(CAPTION, &number, &many).unwrap().contains("1234 lượt"));
        assert!(columns(CAPTION, &number, &many).unwrap().contains("0 lượt"));
    }

    #[test]
    fn the_longest_bar_is_that_of_the_greatest_number() {
        let svg = bars(CAPTION, &plain, &some()).unwrap();
        assert!(
            svg.contains(r#"width="180""#) && svg.matches("<rect").count() == 1,
            "{svg}"
        );
    }
}
