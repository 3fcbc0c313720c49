//! From directive to done: how many had done what is asked after so many days, and where something is overdue.

use std::collections::BTreeMap;

use super::super::frame::Visitor;
use super::Figure;
use crate::charts::{self, Caption, ChartError};
use crate::directives::Pace;

/// Days after which one looks.
const DAYS: [i64; 6] = [1, 2, 3, 7, 14, 30];
/// Most units in the picture of what is overdue: of more than these, it shows the units above. The table has them all.
const UNITS: usize = 12;
const DAY_MS: f64 = 24.0 * 3_600_000.0;

/// The pictures; none where nothing was issued.
///
/// # Errors
/// [`ChartError`].
pub(super) fn figures(visitor: &Visitor, pace: &Pace, complete: &str) -> Result<Vec<Figure>, ChartError> {
    if pace.answers.is_empty() {
        return Ok(Vec::new());
    }
    let mut figures = vec![shares(visitor, pace)?];
    figures.extend(overdue(visitor, pace)?);
    let complete = figures.into_iter().map(|figure| figure.complete(complete));
    Ok(complete.collect())
}

/// How many of a hundred had done what is asked after so many days.
fn shares(visitor: &Visitor, pace: &Pace) -> Result<Figure, ChartError> {
    let (words, all) = (visitor.words, pace.answers.len());
    let percent = |n: usize| (n * 100).checked_div(all).unwrap_or_default();
    let counted = |n: usize| format!("{}% ({}/{})", percent(n), words.n(n), words.n(all));
    let within = DAYS.map(|days| (words.count("chart-pace-days", days), pace.within(days)));
    let values: Vec<(String, u64)> = within
        .iter()
        .map(|(name, n)| (name.clone(), percent(*n) as u64))
        .collect();
    let late = pace.answers.iter().filter(|answer| answer.overdue).count();
    let half = match pace.median_ms() {
        Some(ms) => words.say("chart-pace-half", &[("days", &words.decimal(ms as f64 / DAY_MS))]),
        None => words.t("chart-pace-no-half"),
    };
    let parts = [
        ("directives", words.n(pace.directives)),
        ("all", words.n(all)),
        ("done", counted(pace.done())),
        ("half", half),
        ("late", words.n(late)),
    ];
    let parts = parts.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut description = words.say("chart-pace-about", &parts);
    if pace.more {
        description = format!("{description} {}", words.t("chart-pace-more"));
    }
    let rows = within.iter().map(|(name, n)| (name.clone(), counted(*n)));
    let rest = [
        (words.t("chart-pace-open"), counted(all - pace.done())),
        (words.t("chart-overdue"), counted(late)),
    ];
    let title = words.t("chart-pace");
    let caption = Caption {
        title: &title,
        description: &description,
    };
    Ok(Figure {
        svg: charts::bars(caption, &|n| format!("{n}%"), &values)?,
        of: words.t("chart-pace-of"),
        counted: vec![words.t("chart-pace-counted")],
        rows: rows.chain(rest).map(|(name, n)| (name, vec![n])).collect(),
        title,
        description,
        complete: String::new(),
    })
}

/// Where something is overdue: whom to call.
fn overdue(visitor: &Visitor, pace: &Pace) -> Result<Option<Figure>, ChartError> {
    let words = visitor.words;
    let (tree, overdue) = (visitor.tree(), pace.overdue());
    let named = overdue.iter().map(|(unit, n)| (words.place(tree, *unit), *n));
    let units = most_first(named.collect());
    let mut above: BTreeMap<String, u64> = BTreeMap::new();
    for (unit, n) in &overdue {
        let name = tree
            .ancestors(*unit)
            .next()
            .map_or_else(|| words.unit(tree, *unit), |above| above.name.clone());
        *above.entry(name).or_default() += n;
    }
    let values = match units.len() > UNITS {
        true => most_first(above.into_iter().collect()),
        false => units.clone(),
    };
    let Some((name, most)) = units.first() else {
        return Ok(None);
    };
    let total: u64 = units.iter().map(|(_, n)| n).sum();
    let parts = [
        ("total", words.n(total)),
        ("units", words.n(units.len())),
        ("name", name.clone()),
        ("n", words.n(*most)),
    ];
    let parts = parts.each_ref().map(|(name, text)| (*name, text.as_str()));
    let (title, description) = (words.t("chart-overdue"), words.say("chart-overdue-about", &parts));
    let caption = Caption {
        title: &title,
        description: &description,
    };
    Ok(Some(Figure {
        svg: charts::bars(caption, &|n| words.n(n), &values)?,
        of: words.t("column-place"),
        counted: vec![words.t("chart-overdue-counted")],
        rows: units
            .iter()
            .map(|(name, n)| (name.clone(), vec![words.n(*n)]))
            .collect(),
        title,
        description,
        complete: String::new(),
    }))
}

fn most_first(mut values: Vec<(String, u64)>) -> Vec<(String, u64)> {
    values.sort_by(|(a, x), (b, y)| (y, a).cmp(&(x, b)));
    values
}
