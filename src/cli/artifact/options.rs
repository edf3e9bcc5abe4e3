//! How files are fetched, as flags say it.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::GoDuration;
use crate::cli::context::Context;
use crate::cli::flag::go_bool;

/// How files are fetched.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// How long to wait for the server's answer, and how long a transfer may stand still.
    pub timeout: Duration,
    /// Whether the object store's certificate is taken as it is.
    pub insecure_skip_tls_verify: bool,
    /// A file of certificates to trust besides the system's.
    pub cacert: Option<PathBuf>,
}

/// The flags of commands that fetch files.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DownloadArgs {
    /// Do not check the object store's TLS certificate. This is insecure and susceptible to man-in-the-middle attacks.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    insecure_skip_tls_verify: bool,
    /// Path to a certificate bundle to use when verifying TLS connections to the object store; the storage location's own
    /// certificates if unset.
    #[arg(long)]
    cacert: Option<PathBuf>,
}

impl DownloadArgs {
    /// The options, completed by the config file.
    pub fn options(&self, timeout: Duration, context: &Context) -> DownloadOptions {
        let cacert = self.cacert.clone().filter(|path| !path.as_os_str().is_empty());
        DownloadOptions {
            timeout,
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            cacert: cacert.or_else(|| context.cacert.clone().map(PathBuf::from)),
        }
    }
}

/// A time limit from a flag; one that is not positive is over at once.
pub fn timeout(flag: &GoDuration) -> Duration {
    flag.positive().unwrap_or_default()
}
