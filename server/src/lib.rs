//! The server of Làng Số: merges what the phones of a realm deliver, and shows it.
//!
//! A request's way: [`http`] (extract, one call, answer) → [`exchange`] → [`ingest`] (judge on a pool, by
//! `sync_core::admission`) → [`store`] (one writer, group commit) with [`log`] and [`rows`]; and down again through
//! [`exchange::pull`]. Who may do what is [`policy`], and nothing else.

pub mod accounts;
pub mod aggregates;
pub mod app;
pub mod audit;
pub mod backup;
pub mod catalogue;
pub mod charts;
pub mod clock;
pub mod codes;
pub mod commands;
pub mod completeness;
pub mod config;
pub mod conflicts;
pub mod demo;
pub mod devices;
pub mod directives;
pub mod documents;
pub mod drive;
pub mod enrolment;
pub mod exchange;
pub mod export;
pub mod flights;
pub mod history;
pub mod http;
pub mod i18n;
pub mod ingest;
pub mod issuing;
pub mod keys;
pub mod lines;
pub mod live;
pub mod log;
pub mod metrics;
pub mod password;
pub mod policy;
pub mod publish;
pub mod qr;
pub mod quarantine;
pub mod rate;
pub mod realm;
pub mod receipts;
pub mod records;
pub mod remarks;
pub mod replica;
pub mod report;
pub mod restore;
pub mod rows;
mod schema;
pub mod search;
pub mod seen;
pub mod serve;
pub mod session;
pub mod snapshots;
pub mod store;
pub mod storm;
pub mod teams;
pub mod telemetry;
pub mod token;
pub mod tree;
pub mod units;
pub mod verify;
pub mod visible;
pub mod workers;
