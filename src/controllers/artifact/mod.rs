//! A run's files through the API server (decision 24), for people whose machine cannot reach the bucket.
//!
//! The right to create a DownloadRequest is the authorisation: its controller answers with a [`token`], with which any
//! replica [`serve`]s that one artifact until the token expires. Clients of other releases know
//! no tokens: where the store cannot sign a URL they get one of the endpoint itself (decision 44).

pub mod absent;
pub mod base;
pub mod certificate;
pub mod file;
pub mod finder;
pub mod renewal;
pub mod secret;
pub mod serve;
pub mod tls;
pub mod token;
