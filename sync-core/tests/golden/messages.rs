//! Every message of the exchange, with a fixed value in each of its fields.

use minicbor::bytes::ByteVec;
use sync_core::ids::{Class, Month, Scope};
use sync_core::protocol::{
    DocumentDigest, Epoch, EpochBranch, EpochInfo, ExchangeToken, Flags, HashBytes, HealAnswer, HealQuestion,
    Health, Item, PageLimits, Receipt, ScopeSet, ShortDigest, SyncRequest, SyncResponse, VerdictOutcome,
    VersionRange,
};

use crate::documents::{batch, log_assistance};
use crate::statements::{NOW, ledger, listed_keys, realm, record, unit};
use crate::{Golden, golden, stored};

fn scope() -> Scope {
    ledger().scope()
}

pub(crate) fn scope_set() -> ScopeSet {
    let directory = Scope {
        unit: unit(),
        class: Class::Directory,
    };
    let remarks = Scope {
        unit: unit(),
        class: Class::Remarks,
    };
    ScopeSet {
        realm: realm(),
        read: vec![scope(), directory],
        write: vec![scope()],
        since: Month(47),
        personal_read: true,
        settle: vec![scope()],
        answer: vec![remarks],
    }
}

/// The first request of a phone: it knows nothing.
fn first() -> SyncRequest {
    SyncRequest {
        v: 1,
        epoch: None,
        token: None,
        device_time_ms: NOW,
        cursor: None,
        digest: None,
        push: Vec::new(),
        heal: Vec::new(),
        limits: Some(PageLimits { max_bytes: 49_152 }),
        health: None,
    }
}

/// Nothing is pending, and everything has come.
fn idle() -> SyncRequest {
    SyncRequest {
        epoch: Some(Epoch([0xe0; 8])),
        token: Some(ExchangeToken([0x70; 8])),
        cursor: Some(vec![0xc0; 25]),
        digest: Some(ShortDigest([0xd0; 8])),
        limits: None,
        ..first()
    }
}

fn push() -> SyncRequest {
    SyncRequest {
        digest: None,
        push: vec![batch(1)],
        limits: Some(PageLimits { max_bytes: 524_288 }),
        health: Some(Health {
            unsent: 1,
            oldest_unsent_ms: Some(NOW),
            free_storage: Some(5_000_000_000),
            app_version: Some("1.0.0".to_owned()),
        }),
        ..idle()
    }
}

fn questions() -> SyncRequest {
    SyncRequest {
        heal: vec![
            HealQuestion::Scope {
                scope: scope(),
                digest: ShortDigest([0xd1; 8]),
            },
            HealQuestion::Heads {
                document: ledger(),
                heads: vec![HashBytes([0xaa; 32])],
            },
        ],
        ..idle()
    }
}

pub(crate) fn requests() -> Vec<(&'static str, &'static str, SyncRequest)> {
    vec![
        ("request-first", "a phone that knows nothing", first()),
        (
            "request-idle",
            "nothing to send, nothing missing: with a digest",
            idle(),
        ),
        ("request-push", "one batch with change-log, and health", push()),
        ("request-heal", "both kinds of questions", questions()),
    ]
}

fn nothing_new() -> SyncResponse {
    SyncResponse {
        v: 1,
        epoch: EpochInfo {
            id: Epoch([0xe0; 8]),
            parent: None,
        },
        server_time_ms: NOW + 500,
        token: None,
        receipts: Vec::new(),
        items: Vec::new(),
        cursor: None,
        digest: None,
        more: false,
        heal: Vec::new(),
        backoff_ms: None,
        versions: None,
        flags: None,
        access_token: None,
    }
}

fn receipts() -> SyncResponse {
    SyncResponse {
        receipts: vec![
            Receipt::Durable { from: 1, to: 3 },
            Receipt::Duplicate { from: 1, to: 3 },
            Receipt::MissingDeps {
                hashes: vec![HashBytes([0xaa; 32])],
            },
            Receipt::ActorFork {
                actor: [10; 16],
                seq: 2,
            },
            Receipt::Quarantined {
                reason: "not_permitted".to_owned(),
            },
            Receipt::Rejected {
                code: "signature".to_owned(),
                retry: false,
            },
        ],
        ..nothing_new()
    }
}

fn page() -> SyncResponse {
    let verdict = |outcome| Item::Verdict {
        document: ledger(),
        changes: vec![HashBytes([0xaa; 32])],
        outcome,
    };
    SyncResponse {
        items: vec![
            Item::ScopeSet(scope_set()),
            Item::Snapshot {
                document: ledger(),
                bytes: stored("snapshot").into(),
                keys: listed_keys(),
            },
            Item::Tail {
                document: ledger(),
                changes: vec![ByteVec::from(log_assistance())],
                keys: Vec::new(),
            },
            Item::Gone { scope: scope() },
            Item::Erased { record: record() },
            verdict(VerdictOutcome::Released),
            verdict(VerdictOutcome::Discarded {
                reason: "not_ours".to_owned(),
            }),
        ],
        cursor: Some(vec![0xc1; 25]),
        more: true,
        ..nothing_new()
    }
}

fn answers() -> SyncResponse {
    SyncResponse {
        digest: Some(ShortDigest([0xd2; 8])),
        heal: vec![
            HealAnswer::Documents {
                scope: scope(),
                documents: vec![DocumentDigest {
                    document: ledger(),
                    digest: ShortDigest([0xd3; 8]),
                }],
            },
            HealAnswer::NotYet,
        ],
        ..nothing_new()
    }
}

/// The answers about documents.
fn healed() -> SyncResponse {
    SyncResponse {
        heal: vec![
            HealAnswer::Missing {
                document: ledger(),
                changes: vec![ByteVec::from(log_assistance())],
                keys: listed_keys(),
            },
            HealAnswer::Whole {
                document: ledger(),
                bytes: stored("snapshot").into(),
                keys: listed_keys(),
            },
            HealAnswer::Same,
        ],
        ..nothing_new()
    }
}

/// Everything that is rare.
fn rare() -> SyncResponse {
    SyncResponse {
        epoch: EpochInfo {
            id: Epoch([0xe1; 8]),
            parent: Some(EpochBranch {
                id: Epoch([0xe0; 8]),
                at: 17,
            }),
        },
        token: Some(ExchangeToken([0x71; 8])),
        backoff_ms: Some(30_000),
        versions: Some(VersionRange { min: 1, max: 2 }),
        flags: Some(Flags {
            wipe: true,
            copied: true,
            update: true,
        }),
        access_token: Some("eyJ.a.b".to_owned()),
        ..nothing_new()
    }
}

pub(crate) fn responses() -> Vec<(&'static str, &'static str, SyncResponse)> {
    vec![
        ("response-idle", "nothing new", nothing_new()),
        ("response-receipts", "one receipt of each kind", receipts()),
        ("response-page", "one item of each kind, and more to come", page()),
        (
            "response-heal",
            "another digest, and both kinds of answers",
            answers(),
        ),
        (
            "response-healed",
            "what a document lacks, the whole of one, and no difference",
            healed(),
        ),
        (
            "response-rare",
            "a new epoch, a token, back-off, versions, flags, an access token",
            rare(),
        ),
    ]
}

pub(crate) fn all() -> Vec<Golden> {
    let requests = requests()
        .into_iter()
        .map(|(name, about, request)| golden(name, about, minicbor::to_vec(request).unwrap()));
    let responses = responses()
        .into_iter()
        .map(|(name, about, response)| golden(name, about, minicbor::to_vec(response).unwrap()));
    let batch = golden(
        "batch",
        "change-log, signed by the device",
        minicbor::to_vec(batch(1)).unwrap(),
    );
    requests.chain(responses).chain([batch]).collect()
}
