//! How text stands in a page: escaped for HTML, without what nobody sees ([`crate::visible`]). Every template is rendered so
//! (`server/askama.toml`): a name that turns the direction of writing must not turn the line that it stands in.

use std::fmt::{Result, Write};

use askama::filters::{Escaper, Html};

use crate::visible::shown;

/// The escaper of every template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> Result {
        // Most text is shown as it is, in one piece.
        if text.chars().all(|c| shown(c) == Some(c)) {
            return Html.write_escaped_str(dest, text);
        }
        text.chars()
            .try_for_each(|c| self.write_escaped_char(&mut dest, c))
    }

    fn write_escaped_char<W: Write>(&self, dest: W, c: char) -> Result {
        match shown(c) {
            Some(c) => Html.write_escaped_char(dest, c),
            None => Ok(()),
        }
    }
}
