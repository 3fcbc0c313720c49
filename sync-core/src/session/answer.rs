//! HTTP as data: the calls that are made, and what came back – from the server, or from whatever stood between.

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::{Body, CONTENT_TYPE};

pub(super) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
/// The longest stable code.
const CODE_BYTES: usize = 40;
/// Whatever a server says, nobody is sent away for longer than a day.
const RETRY_AFTER_MAX_S: u32 = 24 * 3600;

/// A `POST` to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Below the server's address.
    pub path: &'static str,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    pub(super) fn json(path: &'static str, message: &impl Serialize) -> Self {
        Self {
            path,
            headers: vec![("content-type", JSON.to_owned())],
            // A message of strings and numbers always encodes.
            body: serde_json::to_vec(message).unwrap_or_default(),
        }
    }

    pub(super) fn exchange(body: Body, token: &str) -> Self {
        let mut headers = vec![
            ("authorization", format!("Bearer {token}")),
            ("content-type", CONTENT_TYPE.to_owned()),
        ];
        if body.compressed {
            headers.push(("content-encoding", "zstd".to_owned()));
        }
        Self {
            path: "/v1/sync",
            headers,
            body: body.bytes,
        }
    }
}

/// What came back for a call, its body as it travelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer that is not the one hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A server of ours says what is wrong.
    Problem(Problem),
    /// Nothing is wrong but the moment.
    Busy { retry_after_ms: Option<u32> },
    /// It is from somebody else.
    Foreign,
}

/// What a server of ours says is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) nonce: Option<[u8; 16]>,
}

impl Unusable {
    /// Whether it is a problem with one of these codes.
    pub(super) fn is_about(&self, codes: &[&str]) -> bool {
        matches!(self, Unusable::Problem(problem) if codes.contains(&problem.code.as_str()))
    }
}

impl Answer {
    /// The body of a success, if it is of this media type.
    pub(super) fn body_of(&self, media_type: &str) -> Result<&[u8], Unusable> {
        let is = |expected: &str| self.media_type().eq_ignore_ascii_case(expected);
        if self.status == 200 && is(media_type) {
            return Ok(&self.body);
        }
        let problem = is(PROBLEM).then(|| read_problem(&self.body)).flatten();
        Err(match (self.status, problem) {
            (_, Some(problem)) if problem.code == "busy" => self.busy(),
            (400.., Some(problem)) => Unusable::Problem(problem),
            // A gateway in front of the server, or the server's own time-out.
            (408 | 429 | 502..=504, None) => self.busy(),
            (_, _) => Unusable::Foreign,
        })
    }

    /// The message of a success.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Unusable> {
        serde_json::from_slice(self.body_of(JSON)?).map_err(|_| Unusable::Foreign)
    }

    /// Whether the body is a zstd frame.
    pub(super) fn is_compressed(&self) -> bool {
        self.header("content-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("zstd"))
    }

    fn busy(&self) -> Unusable {
        let seconds = self
            .header("retry-after")
            .and_then(|value| value.trim().parse::<u32>().ok());
        Unusable::Busy {
            retry_after_ms: seconds.map(|seconds| seconds.min(RETRY_AFTER_MAX_S) * 1000),
        }
    }

    /// Without parameters.
    fn media_type(&self) -> &str {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A problem's code is taken only if it can be one: it goes into logs and onto screens.
fn read_problem(body: &[u8]) -> Option<Problem> {
    #[derive(serde::Deserialize)]
    struct Wire {
        code: String,
        nonce: Option<String>,
    }
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let is_code = !wire.code.is_empty()
        && wire.code.len() <= CODE_BYTES
        && wire
            .code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let nonce = wire
        .nonce
        .and_then(|nonce| BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?.try_into().ok());
    is_code.then_some(Problem {
        code: wire.code,
        nonce,
    })
}
