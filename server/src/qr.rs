//! Codes as pictures: SVG for pages and paper, half blocks for a terminal.

use qrcode::QrCode;
use qrcode::render::{svg, unicode};
use qrcode::types::QrError;

/// A code as an SVG picture, 240 pixels wide.
///
/// # Errors
/// [`QrError`] for more than a picture can hold.
pub fn svg(code: &str) -> Result<String, QrError> {
    let picture = QrCode::new(code)?;
    Ok(picture
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build())
}

/// A code as an SVG element within a page, which the page gives a name and a size.
///
/// # Errors
/// [`QrError`] for more than a picture can hold.
pub fn inline(code: &str) -> Result<String, QrError> {
    let picture = svg(code)?;
    let element = picture.find("<svg").and_then(|at| picture.get(at..));
    Ok(element.unwrap_or_default().to_owned())
}

/// A code as lines of text that a camera reads off a terminal.
///
/// # Errors
/// [`QrError`] for more than a picture can hold.
pub fn text(code: &str) -> Result<String, QrError> {
    let picture = QrCode::new(code)?;
    Ok(picture.render::<unicode::Dense1x2>().build())
}
