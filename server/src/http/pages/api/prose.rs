//! The little of Markdown that descriptions use: paragraphs, `code` and **weight**.

/// A piece of a paragraph.
#[derive(Debug, PartialEq)]
pub(super) enum Span {
    Plain(String),
    Code(String),
    Strong(String),
}

/// The paragraphs of a description.
pub(super) fn paragraphs(text: &str) -> Vec<Vec<Span>> {
    let parts = text.split("\n\n").filter(|part| !part.trim().is_empty());
    parts.map(spans).collect()
}

/// The pieces of a paragraph: what stands between two marks is meant by them.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let marked = text.split('`').enumerate().flat_map(|(n, part)| match n % 2 {
        1 => vec![Span::Code(part.to_owned())],
        _ => weighed(part),
    });
    marked
        .filter(|span| !matches!(span, Span::Plain(text) if text.is_empty()))
        .collect()
}

fn weighed(text: &str) -> Vec<Span> {
    let parts = text.split("**").enumerate();
    let parts = parts.map(|(n, part)| match n % 2 {
        1 => Span::Strong(part.to_owned()),
        _ => Span::Plain(part.to_owned()),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_weight_are_told_apart_from_words() {
        let told = paragraphs("**Lists** go by `next`.\n\nAnd so on");
        let first = [
            Span::Strong("Lists".into()),
            Span::Plain(" go by ".into()),
            Span::Code("next".into()),
            Span::Plain(".".into()),
        ];
        assert_eq!(told, [first.into(), vec![Span::Plain("And so on".into())]]);
    }
}
