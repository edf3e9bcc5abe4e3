//! The Secret with the artifact endpoint's certificates, shared by the replicas. The first to need it makes it: a server,
//! or `velero install`, which writes the authority to the location it makes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};

use super::certificate::{Certificates, Facts};

/// The Secret's name.
pub const NAME: &str = "velero-artifact-tls";
/// Its key with the authority that clients trust.
pub const AUTHORITY: &str = "ca.crt";
/// Its key with the authority's key; a Secret without it is not ours.
const AUTHORITY_KEY: &str = "ca.key";
/// Its keys with the endpoint's certificate and key, as in every Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// The annotation with what the certificates are for and how long they are good.
pub const FACTS: &str = "velero.io/artifact-certificate";

/// The Secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refused, or was not reached.
    #[error(
        "{attempt} secret `{NAME}` failed: {source}; check that the server may read, watch, create and update secrets in its namespace"
    )]
    Api {
        /// What was tried.
        attempt: &'static str,
        /// What the client said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Making certificates failed.
    #[error("making the artifact endpoint's certificate failed: {0}; check --artifact-url")]
    Certificate(#[from] rcgen::Error),
}

/// What a Secret holds. Not shown whole by `Debug`.
#[derive(Clone)]
pub enum Held {
    /// Certificates of our making, which we renew.
    Ours(Box<Certificates>),
    /// A certificate that something else takes care of.
    Given {
        /// The certificate, as PEM.
        certificate: Vec<u8>,
        /// Its key, as PEM.
        key: Vec<u8>,
    },
    /// Nothing that could be served.
    Nothing,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ours(_) => "Ours(…)",
            Self::Given { .. } => "Given(…)",
            Self::Nothing => "Nothing",
        })
    }
}

impl Held {
    /// What this Secret holds.
    pub fn read(secret: &Secret) -> Self {
        let bytes = |key: &str| secret.data.as_ref()?.get(key).map(|value| value.0.clone());
        let text = |key: &str| bytes(key).and_then(|value| String::from_utf8(value).ok());
        let annotation = || secret.metadata.annotations.as_ref()?.get(FACTS);
        let facts = || serde_json::from_str::<Facts>(annotation()?).ok();
        let ours = || {
            Some(Certificates {
                authority: text(AUTHORITY)?,
                authority_key: text(AUTHORITY_KEY)?,
                certificate: text(CERTIFICATE)?,
                key: text(KEY)?,
                facts: facts()?,
            })
        };
        if let Some(ours) = ours() {
            return Self::Ours(Box::new(ours));
        }
        match (bytes(AUTHORITY_KEY), bytes(CERTIFICATE), bytes(KEY)) {
            (None, Some(certificate), Some(key)) => Self::Given { certificate, key },
            _ => Self::Nothing,
        }
    }

    /// Certificate and key to serve with, as PEM.
    pub fn served(self) -> Option<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Ours(ours) => Some((ours.certificate.into_bytes(), ours.key.into_bytes())),
            Self::Given { certificate, key } => Some((certificate, key)),
            Self::Nothing => None,
        }
    }
}

/// Certificates as a Secret; of one that is there, `meta` keeps what else stands on it, and guards the write.
pub fn of(certificates: &Certificates, meta: ObjectMeta) -> Secret {
    let mut meta = ObjectMeta {
        managed_fields: None,
        ..meta
    };
    let facts = serde_json::to_string(&certificates.facts).unwrap_or_default();
    meta.annotations.get_or_insert_default().insert(FACTS.to_owned(), facts);
    let data = [
        (AUTHORITY, &certificates.authority),
        (AUTHORITY_KEY, &certificates.authority_key),
        (CERTIFICATE, &certificates.certificate),
        (KEY, &certificates.key),
    ];
    Secret {
        metadata: meta,
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(
            data.into_iter()
                .map(|(key, value)| (key.to_owned(), ByteString(value.clone().into_bytes())))
                .collect::<BTreeMap<_, _>>(),
        ),
        ..Secret::default()
    }
}

/// What a new Secret has of metadata.
pub fn metadata(namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(NAME.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some([("component".to_owned(), "velero".to_owned())].into()),
        ..ObjectMeta::default()
    }
}

/// The Secret as it is, or a new one. Of several that come at once one makes it, and all get the same.
///
/// # Errors
/// See [`SecretError`].
pub async fn ensure(
    api: &Api<Secret>,
    namespace: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Secret, SecretError> {
    let failed = |attempt: &'static str| {
        move |source: kube::Error| SecretError::Api {
            attempt,
            source: Box::new(source),
        }
    };
    if let Some(found) = api.get_opt(NAME).await.map_err(failed("reading"))? {
        return Ok(found);
    }
    let new = of(&Certificates::new(names, now)?, metadata(namespace));
    match api.create(&PostParams::default(), &new).await {
        Ok(made) => Ok(made),
        Err(kube::Error::Api(status)) if status.is_already_exists() => api.get(NAME).await.map_err(failed("reading")),
        Err(error) => Err(failed("creating")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Secret {
        let names = ["velero".to_owned()];
        of(
            &Certificates::new(&names, Timestamp::from_second(1_800_000_000).unwrap()).unwrap(),
            metadata("velero"),
        )
    }

    #[test]
    fn what_was_written_is_read_and_one_without_the_authority_s_key_is_left_to_its_owner() {
        let ours = made();
        assert!(matches!(Held::read(&ours), Held::Ours(_)));
        let mut given = ours.clone();
        given.data.as_mut().unwrap().remove(AUTHORITY_KEY);
        given.metadata.annotations = None;
        assert!(matches!(Held::read(&given), Held::Given { .. }));
        let mut cut = ours.clone();
        cut.data.as_mut().unwrap().remove(KEY);
        assert!(matches!(Held::read(&cut), Held::Nothing));
        let mut unknown = ours;
        unknown.metadata.annotations = Some([(FACTS.to_owned(), "?".to_owned())].into());
        assert!(matches!(Held::read(&unknown), Held::Nothing));
        assert!(matches!(Held::read(&Secret::default()), Held::Nothing));
    }

    #[test]
    fn no_key_is_shown_when_what_a_secret_holds_is_printed() {
        assert!(!format!("{:?}", Held::read(&made())).contains("PRIVATE"));
    }
}
