//! Text as people see it. What nobody sees – marks that turn the direction of what follows, joiners, control characters –
//! stays where text is kept, and is left out where people read it: a name must not turn a line round, nor hide in another.

/// Text without what nobody sees; a line's end stays, a tabulator is a blank.
pub fn visible(text: &str) -> String {
    text.chars().filter_map(shown).collect()
}

/// How a character is shown, if it is.
pub fn shown(c: char) -> Option<char> {
    match c {
        '\t' => Some(' '),
        c if is_hidden(c) => None,
        c => Some(c),
    }
}

fn is_hidden(c: char) -> bool {
    let control = c.is_control() && c != '\n';
    control
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}
