//! What an error says: a problem of RFC 9457, in the reader's language.
//!
//! There is no `instance`: `request_id` names the occurrence, here and in the log, and is nothing that can be fetched.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;
use sync_core::ids::RecordId;
use ulid::Ulid;
use utoipa::ToSchema;

use super::Code;
use crate::i18n::{Locale, has, text};

/// An error, to be written down once the reader's language is known.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// What belongs to this code.
    pub(super) members: Box<Members>,
    /// For the log alone.
    pub(in crate::http) internal: Option<String>,
}

/// What some codes say besides; each says what of.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct Members {
    /// Which parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("limit"))]
    pub(in crate::http) parameter: Option<String>,
    /// Which field of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("deadline"))]
    pub(in crate::http) field: Option<String>,
    /// The code of the batch's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("signature"))]
    pub(in crate::http) reason: Option<String>,
    /// The number of a batch in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) batch: Option<i64>,
    /// What a device has to sign, 16 bytes in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("AAECAwQFBgcICQoLDA0ODw"))]
    pub(in crate::http) nonce: Option<String>,
    /// The lowest version of the protocol that is spoken here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) min_v: Option<u32>,
    /// The highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) max_v: Option<u32>,
    /// The directive that ended this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) ended_by: Option<RecordId>,
    /// The directive that a draft has become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) directive: Option<RecordId>,
    /// What happened here, beyond the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("A parameter is not valid. (to)"))]
    pub(in crate::http) detail: Option<String>,
}

/// An error (RFC 9457). Go by `code`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(in crate::http) struct ProblemBody {
    /// What kind of problem, and where it is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", examples("/api#not_found"))]
    kind: String,
    /// For people, in the language of `accept-language`.
    #[schema(examples("Not found."))]
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599, examples(404))]
    status: u16,
    /// For programs: stable.
    code: Code,
    /// The request's number, as the log has it.
    #[schema(examples("01JNCXV5S0Q4R5S6T7V8W9X0YZ"))]
    request_id: String,
    #[serde(flatten)]
    members: Members,
}

impl Problem {
    /// What is wrong with what somebody gave, in words: the title, and the label of what it is about.
    pub(super) fn about(&self, locale: Locale) -> Option<String> {
        let name = self.members.field.as_ref().or(self.members.parameter.as_ref())?;
        let label = format!("field-{}", name.replace('_', "-"));
        let title = text(locale, &self.code.message());
        has(locale, &label).then(|| format!("{title} ({})", text(locale, &label)))
    }

    /// Writes the body.
    pub(in crate::http) fn into_body(
        self,
        request: Ulid,
        locale: Locale,
        mut response: Response,
    ) -> Response {
        let about = self.about(locale);
        let members = *self.members;
        let body = ProblemBody {
            kind: self.code.kind(),
            title: text(locale, &self.code.message()),
            status: response.status().as_u16(),
            code: self.code,
            request_id: request.to_string(),
            members: Members {
                detail: about.or(members.detail),
                ..members
            },
        };
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(locale.tag()));
        headers.remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(serde_json::to_string(&body).unwrap_or_default());
        response
    }
}
