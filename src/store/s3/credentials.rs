//! The credentials file: INI with a section a profile (spec plugins 12.2). object_store has no profiles.

use std::collections::BTreeMap;

use object_store::aws::AmazonS3ConfigKey;

use crate::store::{Result, Secret, StoreError};

/// What a profile holds.
pub(super) struct Profile {
    pub(super) key_id: String,
    pub(super) secret_key: Secret,
    pub(super) token: Option<Secret>,
    pub(super) region: Option<String>,
}

/// Keys of profiles with credentials that need another request or program first.
const NOT_YET: [&str; 6] = [
    "role_arn",
    "source_profile",
    "credential_process",
    "credential_source",
    "sso_session",
    "web_identity_token_file",
];

/// Keys that a profile has once. Others are nested settings of Amazon's tools, which may repeat.
const MEANT_ONCE: [&str; 4] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "region",
];

/// Reads one profile. Errors name profiles and keys, never values.
pub(super) fn profile(text: &Secret, name: &str) -> Result<Profile> {
    let section = section(text.expose(), name).map_err(|key| {
        StoreError::Config(format!(
            "profile `{name}` of the credentials file has several values for `{key}`; keep one in the secret"
        ))
    })?;
    let mut keys = section.ok_or_else(|| {
        StoreError::Config(format!(
            "the credentials file has no profile `{name}`; check `config.profile` and the secret"
        ))
    })?;
    if let Some(key) = NOT_YET.iter().find(|key| keys.contains_key(**key)) {
        let text = format!(
            "profile `{name}` of the credentials file has `{key}`, which is not supported yet; use an access key, or the environment's role without a credentials file"
        );
        return Err(StoreError::Config(text));
    }
    let mut take = |key: &str| keys.remove(key).filter(|value| !value.is_empty());
    let (region, token) = (take("region"), take("aws_session_token").map(Secret::new));
    let mut required = |key: &str| {
        take(key).ok_or_else(|| {
            StoreError::Config(format!(
                "profile `{name}` of the credentials file has no `{key}`; check the secret"
            ))
        })
    };
    let key_id = required("aws_access_key_id")?;
    let secret_key = Secret::new(required("aws_secret_access_key")?);
    Ok(Profile {
        key_id,
        secret_key,
        token,
        region,
    })
}

/// The keys of all sections of that name. Lines that are neither section nor `key = value` are skipped: the file may be a whole configuration of
/// Amazon's command line.
///
/// # Errors
/// The key that has several values: the wrong one would only show as a refused signature.
fn section(text: &str, name: &str) -> std::result::Result<Option<BTreeMap<String, String>>, String> {
    let mut found = None;
    let mut inside = false;
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let header = header.trim();
            inside = header.strip_prefix("profile ").map_or(header, str::trim_start) == name;
            if inside {
                found.get_or_insert_with(BTreeMap::new);
            }
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && let Some(keys) = &mut found
        {
            // Only spaces are trimmed: secrets of other stores than Amazon's may have any character.
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match keys.get(&key) {
                Some(first) if first != value && MEANT_ONCE.contains(&key.as_str()) => return Err(key),
                _ => keys.insert(key, value.to_owned()),
            };
        }
    }
    Ok(found)
}

/// The environment's variables about credentials; no other variable may change where a location is.
pub(super) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<(AmazonS3ConfigKey, String)> {
    let keys = [
        ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
        ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
        ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
        ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
        ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
        ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
        ),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            AmazonS3ConfigKey::ContainerCredentialsFullUri,
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
        ),
    ];
    let set = |(name, key): (&str, AmazonS3ConfigKey)| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(|value| (key, value))
    };
    keys.into_iter().filter_map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}# for backups\r
[default]\r
aws_access_key_id = AKIADEFAULT\r
aws_secret_access_key=abc/def+ghi=#;1\r
\r
[ other ]
AWS_Access_Key_Id=AKIAOTHER
  aws_secret_access_key = s
aws_session_token = t
region = eu-west-1
s3 =
  max_concurrent_requests = 20

[profile configured]
aws_access_key_id=AKIACONF
aws_secret_access_key=same
aws_secret_access_key=same

[twice]
aws_access_key_id=AKIATWICE
aws_secret_access_key=first
[twice]
aws_secret_access_key=second

[role]
role_arn = arn:aws:iam::1:role/x
source_profile = default

[half]
aws_access_key_id = AKIAHALF
aws_secret_access_key =
[empty]
";

    #[test]
    fn profiles_are_read_as_amazons_tools_and_users_write_them() {
        let read = |name: &str| {
            let Profile {
                key_id,
                secret_key,
                token,
                region,
            } = profile(&Secret::new(FILE), name).unwrap();
            (
                key_id,
                secret_key.expose().to_owned(),
                token.map(|token| token.expose().to_owned()),
                region,
            )
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(
            read("default"),
            (text("AKIADEFAULT"), text("abc/def+ghi=#;1"), None, None)
        );
        assert_eq!(
            read("other"),
            (text("AKIAOTHER"), text("s"), Some(text("t")), Some(text("eu-west-1")))
        );
        assert_eq!(read("configured"), (text("AKIACONF"), text("same"), None, None));
    }

    #[test]
    fn a_profile_without_credentials_is_refused_without_secrets() {
        for (name, named) in [
            ("missing", "no profile `missing`"),
            ("role", "`role_arn`"),
            ("half", "no `aws_secret_access_key`"),
            ("empty", "no `aws_access_key_id`"),
            ("twice", "several values for `aws_secret_access_key`"),
        ] {
            let error = profile(&Secret::new(FILE), name).err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
            assert!(
                !error.contains("AKIA") && !error.contains("arn:") && !error.contains("second"),
                "{error}"
            );
        }
        let unstructured = profile(&Secret::new("hunter2"), "default").err().unwrap().to_string();
        assert!(!unstructured.contains("hunter2"));
    }

    #[test]
    fn only_variables_about_credentials_have_an_effect() {
        let environment = |name: &str| match name {
            "AWS_ROLE_ARN" => Some("arn".to_owned()),
            "AWS_SESSION_TOKEN" => Some(String::new()),
            "AWS_ENDPOINT" | "AWS_REGION" | "AWS_ALLOW_HTTP" => panic!("{name} must not matter"),
            _ => None,
        };
        assert_eq!(
            from_environment(environment),
            [(AmazonS3ConfigKey::RoleArn, "arn".to_owned())]
        );
    }
}
