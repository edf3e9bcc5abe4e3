//! The certificates of the artifact endpoint: an authority that clients trust for ten years, and under it a certificate
//! that is made anew before it ends. What to make and when is decided here, without a cluster.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::{Deserialize, Serialize};

const DAY: i64 = 24 * 60 * 60;
/// How long the endpoint's certificate is good for.
const LIFETIME: i64 = 90 * DAY;
/// How long the authority is. Clients hold a copy of it that nothing renews.
const AUTHORITY_LIFETIME: i64 = 3650 * DAY;
/// Clocks differ: a certificate is good from a little before it was made.
const SKEW: i64 = 60 * 60;
/// The authority's name, by which its certificates find it.
const AUTHORITY: &str = "Velero artifacts";

/// What is known of the certificates without reading them: recorded where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What the certificate is for, sorted.
    pub names: Vec<String>,
    /// From when on the certificate is good.
    pub not_before: Timestamp,
    /// Until when it is.
    pub not_after: Timestamp,
    /// Until when the authority is.
    pub authority_not_after: Timestamp,
}

/// Authority and certificate, each with its key, as PEM. Not shown by `Debug`: half of it is secret.
#[derive(Clone)]
pub struct Certificates {
    /// The authority's certificate, which clients trust.
    pub authority: String,
    /// The authority's key.
    pub authority_key: String,
    /// The endpoint's certificate.
    pub certificate: String,
    /// The endpoint's key.
    pub key: String,
    /// What they are for and how long they are good.
    pub facts: Facts,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// What to do about certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// They are good; look again then.
    KeepUntil(Timestamp),
    /// The certificate is to be made anew under the same authority.
    Certificate,
    /// Both are: a certificate would outlive its authority.
    Authority,
}

/// A certificate is made anew when two thirds of its time are over, or when it is for other names.
pub fn step(facts: &Facts, names: &[String], now: Timestamp) -> Step {
    let (from, until, now) = (
        facts.not_before.as_second(),
        facts.not_after.as_second(),
        now.as_second(),
    );
    let authority_due = facts.authority_not_after.as_second() - LIFETIME;
    let due = from + (until - from) / 3 * 2;
    if now >= authority_due {
        Step::Authority
    } else if facts.names != names || now >= due || now < from {
        Step::Certificate
    } else {
        Step::KeepUntil(at(due.min(authority_due)))
    }
}

impl Certificates {
    /// A new authority, and a certificate for these names.
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn new(names: &[String], now: Timestamp) -> Result<Self, rcgen::Error> {
        let until = now.as_second() + AUTHORITY_LIFETIME;
        let key = KeyPair::generate()?;
        let params = authority(now.as_second() - SKEW, until);
        let certificate = params.self_signed(&key)?.pem();
        issue(certificate, &key, at(until), names, now)
    }

    /// A new certificate for these names under the same authority.
    ///
    /// # Errors
    /// A name cannot stand in a certificate, or the authority's key cannot be read.
    pub fn renewed(&self, names: &[String], now: Timestamp) -> Result<Self, rcgen::Error> {
        let key = KeyPair::from_pem(&self.authority_key)?;
        issue(self.authority.clone(), &key, self.facts.authority_not_after, names, now)
    }
}

fn issue(
    authority_certificate: String,
    authority_key: &KeyPair,
    authority_not_after: Timestamp,
    names: &[String],
    now: Timestamp,
) -> Result<Certificates, rcgen::Error> {
    let (from, until) = (now.as_second() - SKEW, now.as_second() + LIFETIME);
    // Name and key are all that a certificate takes from its authority.
    let authority = authority(from, until);
    let issuer = Issuer::from_params(&authority, authority_key);
    let mut params = CertificateParams::new(names.to_vec())?;
    last(&mut params, from, until);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Velero artifact endpoint");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Certificates {
        authority: authority_certificate,
        authority_key: authority_key.serialize_pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        facts: Facts {
            names: names.to_vec(),
            not_before: at(from),
            not_after: at(until),
            authority_not_after,
        },
    })
}

fn authority(from: i64, until: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    last(&mut params, from, until);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn last(params: &mut CertificateParams, from: i64, until: i64) {
    let since_1970 = |second: i64| Duration::from_secs(u64::try_from(second).unwrap_or_default());
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(from);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(until);
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_time_or_for_other_names_and_an_authority_before_it_ends() {
        let facts = Facts {
            names: names(&["a", "b"]),
            not_before: at(1_000),
            not_after: at(4_000),
            authority_not_after: at(LIFETIME + 10_000),
        };
        for (wanted, now, expected) in [
            (&["a", "b"][..], 1_000, Step::KeepUntil(at(3_000))),
            (&["a", "b"], 2_999, Step::KeepUntil(at(3_000))),
            (&["a", "b"], 3_000, Step::Certificate),
            (&["a", "b"], 9_999, Step::Certificate),
            (&["a", "c"], 1_000, Step::Certificate),
            (&["a"], 1_000, Step::Certificate),
            // It was made by a clock that was wrong.
            (&["a", "b"], 999, Step::Certificate),
            (&["a", "b"], 10_000, Step::Authority),
            (&["c"], 10_000, Step::Authority),
        ] {
            assert_eq!(step(&facts, &names(wanted), at(now)), expected, "{wanted:?} {now}");
        }
    }

    #[test]
    fn what_was_just_made_is_kept_and_a_renewal_keeps_the_authority() {
        let now = at(1_800_000_000);
        let wanted = names(&["10.0.0.7", "velero"]);
        let made = Certificates::new(&wanted, now).unwrap();
        let Step::KeepUntil(due) = step(&made.facts, &wanted, now) else {
            panic!("{:?}", made.facts);
        };
        assert!(due > now && due < made.facts.not_after);
        let renewed = made.renewed(&wanted, due).unwrap();
        assert_eq!(renewed.authority, made.authority);
        assert_ne!(renewed.certificate, made.certificate);
        assert_ne!(renewed.key, made.key);
        assert!(matches!(step(&renewed.facts, &wanted, due), Step::KeepUntil(_)));
        let shown = format!("{made:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}
