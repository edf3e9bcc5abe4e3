//! The options of a download and their flags.

use std::path::PathBuf;
use std::time::Duration;

use crate::api::GoDuration;
use crate::cli::context::Context;
use crate::cli::flag::go_bool;

/// The options of a download.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// How long to wait for the server's answer, and for the next data of a transfer.
    pub timeout: Duration,
    /// Whether the object store's certificate is accepted without a check.
    pub insecure_skip_tls_verify: bool,
    /// A file of certificates to trust besides the system's.
    pub cacert: Option<PathBuf>,
}

/// The flags of commands that fetch files.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DownloadArgs {
    /// If true, the object store's TLS certificate will not be checked for validity. This is insecure and susceptible to
    /// man-in-the-middle attacks. Not recommended for production.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    insecure_skip_tls_verify: bool,
    /// Path to a certificate bundle to use when verifying TLS connections. If not specified, the CA certificate from the
    /// BackupStorageLocation will be used if available.
    #[arg(long)]
    cacert: Option<PathBuf>,
}

impl DownloadArgs {
    /// The options of these flags and of the config file.
    pub fn options(&self, timeout: Duration, context: &Context) -> DownloadOptions {
        let cacert = self.cacert.clone().filter(|path| !path.as_os_str().is_empty());
        DownloadOptions {
            timeout,
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            cacert: cacert.or_else(|| context.cacert.clone().map(PathBuf::from)),
        }
    }
}

/// The time limit of a flag; zero or less is a limit of zero.
pub fn timeout(flag: &GoDuration) -> Duration {
    flag.positive().unwrap_or_default()
}
