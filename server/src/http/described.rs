//! What a handler's signature says of it: its parameters, its body, its answer, who may call it, how it can fail.
//!
//! Each extractor and each kind of answer describes itself here, so that the description of a route is read off its
//! handler by the compiler: what is described is what is parsed and what is answered. Words – what an operation is for,
//! and the errors of its own – are in [`super::api`]; the document is put together in [`super::openapi`].

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use sync_core::protocol::CONTENT_TYPE;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::actor::{DeviceActor, Origin, Reader, Writer};
use super::given::{Given, Query};
use super::{ApiError, Code};
use crate::app::App;

/// Who has to show what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    #[default]
    Nothing,
    /// A device's token.
    Token,
    /// A session, or a device's token.
    SessionOrToken,
    /// A session, and that a change is meant.
    SessionAndMeaning,
}

/// What travels in a body.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Its media type.
    pub media_type: &'static str,
    /// Of what shape; bytes have none.
    pub schema: Option<RefOr<Schema>>,
}

/// What is known of an operation by its handler's signature.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    /// Who has to show what.
    pub shows: Shows,
    /// The shape of the one parameter of the path.
    pub in_path: Option<RefOr<Schema>>,
    /// The members of the query.
    pub query: Option<Object>,
    /// The body.
    pub body: Option<Carried>,
    /// What is answered with 200, in one of these forms.
    pub answers: Vec<Carried>,
    /// How it can fail.
    pub codes: BTreeSet<Code>,
    /// Every schema that is referred to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
    /// Reads a body as the handler does.
    pub reads: Option<fn(serde_json::Value) -> serde_json::Result<()>>,
}

impl Sketch {
    fn fails(&mut self, codes: &[Code]) {
        self.codes.extend(codes);
    }

    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name()).into()
    }
}

/// What an extractor takes of a request.
pub(super) trait Takes {
    fn sketch(sketch: &mut Sketch);
}

/// What a handler answers.
pub(super) trait Answers {
    fn sketch(sketch: &mut Sketch);
}

/// A handler, by its signature.
pub(super) trait Described<Signature> {
    fn sketch() -> Sketch;
}

macro_rules! described {
    ($($taken:ident),*) => {
        impl<F, Fut, $($taken),*> Described<(Fut, $($taken),*)> for F
        where
            F: Fn($($taken),*) -> Fut,
            Fut: Future<Output: Answers>,
            $($taken: Takes,)*
        {
            fn sketch() -> Sketch {
                let mut sketch = Sketch::default();
                sketch.fails(&[Code::Internal, Code::RequestTimeout]);
                $($taken::sketch(&mut sketch);)*
                <Fut::Output as Answers>::sketch(&mut sketch);
                sketch
            }
        }
    };
}

described!();
described!(A);
described!(A, B);
described!(A, B, C);
described!(A, B, C, D);
described!(A, B, C, D, E);
described!(A, B, C, D, E, G);

/// Taken from elsewhere than what the caller says.
macro_rules! silent {
    ($($taken:ty),*) => {
        $(impl Takes for $taken {
            fn sketch(_: &mut Sketch) {}
        })*
    };
}

silent!(State<Arc<App>>, Origin, HeaderMap);

const OF_A_TOKEN: [Code; 3] = [Code::TokenInvalid, Code::TokenExpired, Code::DeviceNotProven];

impl Takes for DeviceActor {
    fn sketch(sketch: &mut Sketch) {
        sketch.shows = Shows::Token;
        sketch.fails(&OF_A_TOKEN);
        sketch.fails(&[Code::TokenMissing]);
    }
}

impl Takes for Reader {
    fn sketch(sketch: &mut Sketch) {
        sketch.shows = Shows::SessionOrToken;
        sketch.fails(&OF_A_TOKEN);
        sketch.fails(&[Code::LoginNeeded, Code::DeviceRevoked, Code::DeviceNotAdmitted]);
        // What somebody may not see does not exist.
        sketch.fails(&[Code::NotFound]);
    }
}

impl Takes for Writer {
    fn sketch(sketch: &mut Sketch) {
        Reader::sketch(sketch);
        sketch.shows = Shows::SessionAndMeaning;
        sketch.fails(&[Code::Csrf, Code::Busy, Code::StorageFull]);
    }
}

impl<T: ToSchema> Takes for Path<T> {
    fn sketch(sketch: &mut Sketch) {
        sketch.in_path = Some(T::schema());
        sketch.fails(&[Code::RequestInvalid, Code::NotFound]);
    }
}

impl<T: ToSchema> Takes for Query<T> {
    fn sketch(sketch: &mut Sketch) {
        T::schemas(&mut sketch.schemas);
        sketch.query = match T::schema() {
            RefOr::T(Schema::Object(object)) => Some(object),
            _ => None,
        };
        sketch.fails(&[Code::ParameterInvalid]);
    }
}

impl<T: ToSchema + DeserializeOwned> Takes for Given<T> {
    fn sketch(sketch: &mut Sketch) {
        let schema = Some(sketch.refer::<T>());
        sketch.body = Some(Carried {
            media_type: "application/json",
            schema,
        });
        sketch.reads = Some(|value| serde_json::from_value::<T>(value).map(drop));
        sketch.fails(&[Code::BodyInvalid, Code::BodyTooLarge]);
    }
}

/// An exchange: bytes, as `docs/protocol.md` has them.
impl Takes for Result<Bytes, BytesRejection> {
    fn sketch(sketch: &mut Sketch) {
        sketch.body = Some(Carried {
            media_type: CONTENT_TYPE,
            schema: None,
        });
        let codes = [Code::BodyInvalid, Code::BodyTooLarge, Code::MediaTypeUnsupported];
        sketch.fails(&codes);
    }
}

impl<T: Answers> Answers for Result<T, ApiError> {
    fn sketch(sketch: &mut Sketch) {
        T::sketch(sketch);
    }
}

impl<T: ToSchema> Answers for Json<T> {
    fn sketch(sketch: &mut Sketch) {
        let schema = Some(sketch.refer::<T>());
        sketch.answers.push(Carried {
            media_type: "application/json",
            schema,
        });
    }
}

impl Answers for &'static str {
    fn sketch(sketch: &mut Sketch) {
        let schema = Some(String::schema());
        sketch.answers.push(Carried {
            media_type: "text/plain; charset=utf-8",
            schema,
        });
    }
}

/// An answer whose body is bytes of these media types.
macro_rules! bytes {
    ($answer:ty, $media_types:expr) => {
        impl $crate::http::described::Answers for $answer {
            fn sketch(sketch: &mut $crate::http::described::Sketch) {
                let kinds = $media_types.into_iter();
                sketch
                    .answers
                    .extend(kinds.map(|media_type| $crate::http::described::Carried {
                        media_type,
                        schema: None,
                    }));
            }
        }
    };
}
pub(super) use bytes;
