//! Tokens for one artifact: an HMAC over what may be read and until when. Nothing is kept for them anywhere.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// How long a token is good for: as long as a signed URL (spec server-cli 5).
pub const LIFETIME: Duration = Duration::from_mins(10);

/// The HTTP header that carries a token; the API server's proxy strips `Authorization`.
pub const HEADER: &str = "X-Velero-Token";

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The key that the replicas share. Not shown by `Debug`.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not of our form.
    #[error("the token cannot be read; ask for a new one with a DownloadRequest")]
    Malformed,
    /// It is for something else, or of another server.
    #[error("the token is not for this artifact; ask for a new one with a DownloadRequest")]
    Wrong,
    /// It was good once.
    #[error("the token has expired; ask for a new one with a DownloadRequest")]
    Expired,
}

impl Key {
    /// A key from its bytes; `None` if they are not [`KEY_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A new key.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Its bytes, for the Secret that the replicas share.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A token for the artifact `kind` of the backup or restore `name`, good until `expires`.
    pub fn issue(&self, kind: &str, name: &str, expires: Timestamp) -> String {
        let until = expires.as_second();
        let mac = self.mac(kind, name, until).finalize().into_bytes();
        format!("{until}.{}", BASE64.encode(mac))
    }

    /// Checks a token that came with a request.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check(&self, token: &str, kind: &str, name: &str, now: Timestamp) -> Result<(), Refused> {
        let (until, mac) = token.split_once('.').ok_or(Refused::Malformed)?;
        let until: i64 = until.parse().map_err(|_| Refused::Malformed)?;
        let mac = BASE64.decode(mac).map_err(|_| Refused::Malformed)?;
        self.mac(kind, name, until)
            .verify_slice(&mac)
            .map_err(|_| Refused::Wrong)?;
        if now.as_second() >= until {
            return Err(Refused::Expired);
        }
        Ok(())
    }

    fn mac(&self, kind: &str, name: &str, until: i64) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        // A kind is an identifier and a name a DNS label, so the newline separates them beyond doubt.
        mac.update(format!("{kind}\n{name}\n{until}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_opens_its_artifact_and_no_other_until_it_expires() {
        let key = Key::from_bytes(&[7; KEY_BYTES]).unwrap();
        let token = key.issue("BackupLog", "nightly", at(1000));
        for (kind, name, now, verdict) in [
            ("BackupLog", "nightly", 999, Ok(())),
            ("BackupLog", "nightly", 1000, Err(Refused::Expired)),
            ("BackupLog", "weekly", 999, Err(Refused::Wrong)),
            ("BackupContents", "nightly", 999, Err(Refused::Wrong)),
        ] {
            assert_eq!(key.check(&token, kind, name, at(now)), verdict, "{kind} {name} {now}");
        }
        assert_eq!(
            Key::random().check(&token, "BackupLog", "nightly", at(1)),
            Err(Refused::Wrong)
        );
    }

    #[test]
    fn a_later_expiry_cannot_be_written_into_a_token() {
        let key = Key::from_bytes(&[7; KEY_BYTES]).unwrap();
        let token = key.issue("BackupLog", "nightly", at(1000)).replacen("1000", "9000", 1);
        assert_eq!(key.check(&token, "BackupLog", "nightly", at(2000)), Err(Refused::Wrong));
    }

    #[test]
    fn garbage_is_refused() {
        let key = Key::random();
        for token in [
            "",
            ".",
            "x",
            "12",
            "12.",
            "x.aaaa",
            "12.%%",
            "99999999999999999999.aaaa",
        ] {
            assert!(key.check(token, "BackupLog", "n", at(0)).is_err(), "{token}");
        }
    }
}
