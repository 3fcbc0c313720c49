-- Who this phone is: its key, the server's word for its enrolment, its access token. One row, CBOR.
CREATE TABLE credentials (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body BLOB NOT NULL
) STRICT;
