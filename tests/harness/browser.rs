//! A browser without scripts: fetches pages, fills in the forms that stand in them, and sends these as they are.

use axum::body::Body;
use axum::http::{StatusCode, header};

use super::office::{Answer, Credentials, Office};

/// A form as a browser holds it: names and values.
pub type Form = Vec<(String, String)>;

/// Between the parts of a form with a file.
const BOUNDARY: &str = "----a-part-of-a-form";

impl Office {
    /// A page, whatever it says.
    pub fn page(&self, path: &str, who: &Credentials) -> Answer {
        let request = self.request("GET", path, who).header(header::ACCEPT, "text/html");
        self.send(request.body(Body::empty()).unwrap())
    }

    /// A page that is there.
    pub fn shown(&self, path: &str, who: &Credentials) -> String {
        let answer = self.page(path, who);
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", html(&answer));
        html(&answer)
    }

    /// Sends a form that stands on a page of ours.
    pub fn submit(&self, path: &str, who: &Credentials, form: &Form) -> Answer {
        let body = serde_html_form::to_string(form).unwrap();
        self.submit_as(path, who, "application/x-www-form-urlencoded", body.into_bytes())
    }

    /// The same of a form with a file: each field is a part of its own, and lines end as browsers end them.
    pub fn submit_parts(&self, path: &str, who: &Credentials, form: &Form) -> Answer {
        let part = |(name, value): &(String, String)| {
            let value = value.replace("\r\n", "\n").replace('\n', "\r\n");
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = form.iter().map(part).collect::<String>() + &format!("--{BOUNDARY}--\r\n");
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.submit_as(path, who, &kind, body.into_bytes())
    }

    fn submit_as(&self, path: &str, who: &Credentials, kind: &str, body: Vec<u8>) -> Answer {
        let request = self
            .request("POST", path, who)
            .header(header::CONTENT_TYPE, kind)
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(body)).unwrap())
    }
}

/// What a page says.
pub fn html(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

/// Whether a page says that something is wrong.
pub fn alerts(answer: &Answer) -> bool {
    html(answer).contains(r#"role="alert""#)
}

/// Where an answer sends the browser.
pub fn leads_to(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", html(answer));
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

/// What stands between two texts, the first time.
pub fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.split_once(begin)?.1.split_once(end).map(|(found, _)| found)
}

/// The addresses of the links in a page, in their order.
pub fn links(page: &str) -> Vec<String> {
    let found = page.split(r#" href=""#).skip(1);
    found
        .map(|rest| unescaped(rest.split('"').next().unwrap()))
        .collect()
}

/// What a browser reads where this stands.
pub fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// What a browser sends of the form in a page that is for filling in, when no button with a name is pressed.
pub fn form_of(page: &str) -> Form {
    let form = between(page, r#"class="fields">"#, "</form>");
    filled(form.unwrap_or_else(|| panic!("no form: {page}")))
}

/// The same of the first form that is sent to an address, and changes something.
pub fn form_to(page: &str, action: &str) -> Form {
    let mut forms = page.split("<form ").skip(1);
    let form = forms.find(|form| {
        let (tag, _) = form.split_once('>').unwrap();
        let to = between(tag, r#" action=""#, "\"").map(unescaped);
        tag.contains(r#"method="post""#) && to.as_deref() == Some(action)
    });
    let form = form.unwrap_or_else(|| panic!("no form to {action}: {page}"));
    filled(form.split("</form>").next().unwrap())
}

/// The fields of a form as they stand.
fn filled(html: &str) -> Form {
    let mut form = Form::new();
    for part in html.split('<').skip(1) {
        let Some(name) = between(part, r#"name=""#, "\"") else {
            continue;
        };
        let said = || unescaped(between(part, r#"value=""#, "\"").unwrap_or_default());
        if part.starts_with("textarea") {
            let text = part.split_once('>').unwrap().1;
            // As browsers do, who begin on the line after.
            let text = text.strip_prefix('\n').unwrap_or(text);
            form.push((name.to_owned(), unescaped(text)));
        } else if part.starts_with("select") {
            form.extend(chosen(html, part).map(|value| (name.to_owned(), value)));
        } else if part.starts_with("input") && (!part.contains("checkbox") || part.contains(" checked")) {
            form.push((name.to_owned(), said()));
        }
    }
    form
}

/// What is chosen in a list.
fn chosen(html: &str, select: &str) -> Option<String> {
    let (_, options) = html.split_once(select).unwrap();
    let options = options.split("</select>").next().unwrap();
    let mut options = options.split("<option ").skip(1);
    let first = options.clone().next()?;
    let chosen = options.find(|option| option.contains(" selected"));
    between(chosen.unwrap_or(first), r#"value=""#, "\"").map(unescaped)
}

/// The form with other values.
pub fn set(mut form: Form, fields: &[(&str, &str)]) -> Form {
    for (name, value) in fields {
        form.retain(|(other, _)| other != name);
        form.push(((*name).to_owned(), (*value).to_owned()));
    }
    form
}

/// What stands in a field.
pub fn value<'a>(form: &'a Form, name: &str) -> &'a str {
    let found = form.iter().find(|(other, _)| other == name);
    found.map_or_else(|| panic!("no {name}: {form:?}"), |(_, value)| value)
}
