//! Closed lists of words, as documents, tables and APIs spell them.

/// An enum whose variants have a stable code each; in CBOR they stand as their index.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $index:literal $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
        #[cbor(index_only)]
        pub enum $name {
            $($(#[$variant_doc])* #[n($index)] $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &[$name] = &[$($name::$variant),+];
            /// The code of every one.
            pub const CODES: &[&str] = &[$($code),+];

            /// The stable code in documents, tables and APIs.
            pub const fn code(self) -> &'static str {
                match self {
                    $($name::$variant => $code,)+
                }
            }

            /// The one of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }
        }

        $crate::record::code::worded!($name, $name::CODES.iter().copied());
    };
}

/// The schema of an enum that travels as one of its words.
#[cfg(feature = "schema")]
macro_rules! worded {
    ($name:ident, $words:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some($words))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

/// Nobody asks what it looks like.
#[cfg(not(feature = "schema"))]
macro_rules! worded {
    ($name:ident, $words:expr) => {};
}

pub(crate) use {coded, worded};
