//! The validated settings of a location of provider `velero.io/aws` (spec plugins 12.2, decision 25).

use object_store::aws::Checksum;
use reqwest::Url;

use crate::store::{Result, StoreConfig, StoreError};

/// `spec.config` keys that have an effect.
const KEYS: [&str; 8] = [
    "region",
    "s3Url",
    "publicUrl",
    "s3ForcePathStyle",
    "profile",
    "insecureSkipTLSVerify",
    "checksumAlgorithm",
    "signatureVersion",
];

/// Keys that upstream accepts without effect: signatures are always version 4, and the credentials file is always read as a configuration too.
const WITHOUT_EFFECT: &str = "enableSharedConfig";

/// Keys of upstream that are not supported yet. Ignoring one would store data unencrypted or untagged in silence.
const NOT_YET: [&str; 5] = [
    "serverSideEncryption",
    "kmsKeyId",
    "customerKeyEncryptionFile",
    "customerKeyEncryptionSecret",
    "tagging",
];

/// The region where none is set and none can be looked up, as with most stores that are not Amazon's.
const DEFAULT_REGION: &str = "us-east-1";

/// A location's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<Url>,
    /// For signed URLs only: they are used from outside of the cluster.
    pub(super) public: Option<Url>,
    pub(super) path_style: bool,
    pub(super) profile: String,
    pub(super) skip_verify: bool,
    pub(super) checksum: Option<ChecksumKind>,
}

/// The supported values of `checksumAlgorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChecksumKind {
    Sha256,
    Crc64Nvme,
}

impl From<ChecksumKind> for Checksum {
    fn from(kind: ChecksumKind) -> Self {
        match kind {
            ChecksumKind::Sha256 => Self::SHA256,
            ChecksumKind::Crc64Nvme => Self::CRC64NVME,
        }
    }
}

impl Settings {
    pub(super) fn read(config: &StoreConfig) -> Result<Self> {
        if let Some(key) = NOT_YET.iter().find(|key| config.get(key).is_some()) {
            let text = format!(
                "`config.{key}` is not supported yet; remove it, and set it as the bucket's default if you can"
            );
            return Err(StoreError::Config(text));
        }
        config.check_keys(&[&KEYS[..], &[WITHOUT_EFFECT], &NOT_YET].concat())?;
        Ok(Self {
            region: config.get("region").map(str::to_owned),
            endpoint: url(config, "s3Url")?,
            public: url(config, "publicUrl")?,
            path_style: config.flag("s3ForcePathStyle")?,
            profile: config.get("profile").unwrap_or("default").to_owned(),
            skip_verify: config.flag("insecureSkipTLSVerify")?,
            checksum: checksum(config.get("checksumAlgorithm"))?,
        })
    }

    /// The region; `None` if it must be looked up, which works with Amazon only.
    pub(super) fn region(&self, of_profile: Option<&str>) -> Option<String> {
        let region = self.region.as_deref().or(of_profile);
        let default = self.endpoint.as_ref().map(|_| DEFAULT_REGION);
        region.or(default).map(str::to_owned)
    }

    /// The address for requests.
    pub(super) fn address(&self, bucket: &str, region: &str) -> Result<Address> {
        match &self.endpoint {
            Some(url) => Address::new(url, bucket, self.path_style),
            None => Address::new(&amazon(region)?, bucket, self.path_style),
        }
    }

    /// The address in signed URLs.
    pub(super) fn public_address(&self, bucket: &str, region: &str) -> Result<Address> {
        match &self.public {
            Some(url) => Address::new(url, bucket, self.path_style),
            None => self.address(bucket, region),
        }
    }
}

fn url(config: &StoreConfig, key: &str) -> Result<Option<Url>> {
    let Some(text) = config.get(key) else { return Ok(None) };
    // The URL is not repeated in the error: it may contain a password.
    let wrong = || {
        StoreError::Config(format!(
            "`config.{key}` must be a URL that begins with `http://` or `https://` and has neither user, query nor fragment"
        ))
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let clean = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if clean { Ok(Some(url)) } else { Err(wrong()) }
}

fn checksum(text: Option<&str>) -> Result<Option<ChecksumKind>> {
    match text {
        None => Ok(None),
        Some("SHA256") => Ok(Some(ChecksumKind::Sha256)),
        Some("CRC64NVME") => Ok(Some(ChecksumKind::Crc64Nvme)),
        Some(other) => {
            let text = format!(
                "`config.checksumAlgorithm` is `{other}`; there are `SHA256`, `CRC64NVME` and, for none, the empty text"
            );
            Err(StoreError::Config(text))
        }
    }
}

fn amazon(region: &str) -> Result<Url> {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    let wrong = |_| StoreError::Config(format!("`config.region` is `{region}`, which cannot be one"));
    Url::parse(&format!("https://s3.{region}.{suffix}")).map_err(wrong)
}

/// A bucket's address, and whether the bucket is part of the host's name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a slash at the end. With a virtual host the bucket is in it, else it comes after it.
    pub(super) endpoint: String,
    pub(super) virtual_host: bool,
    pub(super) is_plain_http: bool,
}

impl Address {
    /// As Amazon's own clients choose: the bucket goes into the host's name unless that is forbidden, is not a valid name, or is not covered by
    /// the host's certificate.
    fn new(url: &Url, bucket: &str, path_style: bool) -> Result<Self> {
        let is_plain_http = url.scheme() == "http";
        let mut url = url.clone();
        let mut virtual_host = false;
        if let Some(name) = url
            .domain()
            .filter(|_| !path_style && can_be_host(bucket, is_plain_http))
        {
            let host = format!("{bucket}.{name}");
            let wrong = |_| {
                StoreError::Config(format!(
                    "`{host}` cannot be the name of a host; set `config.s3ForcePathStyle`"
                ))
            };
            url.set_host(Some(&host)).map_err(wrong)?;
            virtual_host = true;
        }
        Ok(Self {
            endpoint: url.as_str().trim_end_matches('/').to_owned(),
            virtual_host,
            is_plain_http,
        })
    }
}

/// Whether a bucket's name can be part of a host's name. A dot in it is not covered by a wildcard certificate.
fn can_be_host(bucket: &str, dots: bool) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (3..=63).contains(&bucket.len())
        && if dots {
            bucket.split('.').all(label)
        } else {
            label(bucket)
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> StoreConfig {
        let config = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        StoreConfig {
            provider: "aws".to_owned(),
            bucket: "b".to_owned(),
            config,
            ..StoreConfig::default()
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_their_keys() {
        for (key, value) in [
            ("regoin", "x"),
            ("s3Url", "minio:9000"),
            ("s3Url", "ftp://minio"),
            ("s3Url", "http://user:hunter2@minio"),
            ("s3Url", "http://minio?x=hunter2"),
            ("publicUrl", "minio.example.com"),
            ("s3ForcePathStyle", "yes"),
            ("insecureSkipTLSVerify", "on"),
            ("checksumAlgorithm", "CRC32"),
            ("checksumAlgorithm", "sha256"),
            ("serverSideEncryption", "AES256"),
            ("kmsKeyId", "k"),
            ("customerKeyEncryptionFile", "/f"),
            ("customerKeyEncryptionSecret", "s/k"),
            ("tagging", "a=b&c=d"),
        ] {
            let error = Settings::read(&config(&[(key, value)])).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn settings_without_effect_are_accepted_as_upstream_does() {
        let entries = [
            ("signatureVersion", "4"),
            ("enableSharedConfig", "true"),
            ("checksumAlgorithm", ""),
            ("kmsKeyId", ""),
            ("bucket", "b"),
            ("prefix", ""),
            ("resticRepoPrefix", "s3:somewhere"),
        ];
        let settings = Settings::read(&config(&entries)).unwrap();
        assert_eq!(settings, Settings::read(&config(&[])).unwrap());
        assert_eq!((settings.profile.as_str(), settings.checksum), ("default", None));
    }

    #[test]
    fn the_region_comes_from_the_location_the_profile_or_a_default() {
        let region = |entries: &[(&str, &str)], profile| Settings::read(&config(entries)).unwrap().region(profile);
        let minio = ("s3Url", "http://minio:9000");
        assert_eq!(region(&[("region", "a"), minio], Some("b")).as_deref(), Some("a"));
        assert_eq!(region(&[minio], Some("b")).as_deref(), Some("b"));
        assert_eq!(region(&[minio], None).as_deref(), Some("us-east-1"));
        assert_eq!(region(&[], None), None);
    }

    #[test]
    fn the_bucket_is_part_of_the_hosts_name_where_it_can_be() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, &'a str, bool);
        let minio = [("s3Url", "http://minio:9000/")];
        let forced = [("s3Url", "http://minio:9000"), ("s3ForcePathStyle", "true")];
        let tls = [("s3Url", "https://s3.example.com/sub/")];
        let ip = [("s3Url", "https://10.0.0.1:9000")];
        let cases: [Row<'_>; 11] = [
            (
                &[],
                "bucket",
                "eu-west-1",
                "https://bucket.s3.eu-west-1.amazonaws.com",
                true,
            ),
            (
                &[],
                "bucket",
                "cn-north-1",
                "https://bucket.s3.cn-north-1.amazonaws.com.cn",
                true,
            ),
            (
                &[],
                "a.bucket",
                "eu-west-1",
                "https://s3.eu-west-1.amazonaws.com",
                false,
            ),
            (
                &[],
                "Old_Bucket",
                "us-east-1",
                "https://s3.us-east-1.amazonaws.com",
                false,
            ),
            (
                &[("s3ForcePathStyle", "true")],
                "bucket",
                "eu-west-1",
                "https://s3.eu-west-1.amazonaws.com",
                false,
            ),
            (&minio, "bucket", "r", "http://bucket.minio:9000", true),
            (&minio, "a.bucket", "r", "http://a.bucket.minio:9000", true),
            (&forced, "bucket", "r", "http://minio:9000", false),
            (&tls, "bucket", "r", "https://bucket.s3.example.com/sub", true),
            (&ip, "bucket", "r", "https://10.0.0.1:9000", false),
            // The host's name begins with the bucket's by chance.
            (
                &[("s3Url", "http://bucket.example.com"), ("s3ForcePathStyle", "1")],
                "bucket",
                "r",
                "http://bucket.example.com",
                false,
            ),
        ];
        for (entries, bucket, region, endpoint, virtual_host) in cases {
            let address = Settings::read(&config(entries))
                .unwrap()
                .address(bucket, region)
                .unwrap();
            assert_eq!(
                (address.endpoint.as_str(), address.virtual_host),
                (endpoint, virtual_host),
                "{entries:?} {bucket}"
            );
        }
    }

    #[test]
    fn signed_urls_use_the_public_address_if_there_is_one() {
        let entries = [
            ("s3Url", "http://minio:9000"),
            ("publicUrl", "https://s3.example.com"),
            ("s3ForcePathStyle", "true"),
        ];
        let settings = Settings::read(&config(&entries)).unwrap();
        assert_eq!(settings.address("bucket", "r").unwrap().endpoint, "http://minio:9000");
        assert_eq!(
            settings.public_address("bucket", "r").unwrap().endpoint,
            "https://s3.example.com"
        );
    }
}
