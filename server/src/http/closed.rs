//! Closed lists of words in the API's description, read off the lists that the code goes by.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::audit::Act;
use crate::policy::Role;
use crate::quarantine::{Discard, State};
use crate::schema::one_of;
use crate::units::eras::View;

macro_rules! words {
    ($($name:ident: $words:expr;)+) => {
        $(impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of($words)
            }
        }

        impl ToSchema for $name {})+
    };
}

words! {
    Act: Act::ALL.map(Act::code);
    Discard: Discard::ALL.map(Discard::code);
    Role: Role::ALL.map(Role::code);
    State: State::ALL.map(State::word);
    View: View::ALL.map(View::word);
}
