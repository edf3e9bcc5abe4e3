//! The settings of every command: global flags, config file, environment (spec server-cli 1.1 to 1.3).

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use kube::Client;

use super::build_info;
use super::config::{self, Config};
use super::flag::{OptionalBool, StringArray};
use super::objects::{Kind, Objects};
use super::output::View;
use super::{server, terminal};
use crate::cluster::Cluster;
use crate::cluster::client::ClientOptions;
use crate::cluster::error::ConnectError;
use crate::cluster::rate::RateLimit;
use crate::runtime::clock::{Clock, System};

/// Flags of every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global Flags")]
pub struct Globals {
    /// Path to the kubeconfig file to use to talk to the Kubernetes apiserver. If unset, try the environment variable KUBECONFIG,
    /// as well as in-cluster configuration.
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The context to use to talk to the Kubernetes apiserver. If unset defaults to whatever your current-context is (kubectl
    /// config current-context).
    #[arg(long, global = true)]
    pub kubecontext: Option<String>,
    /// The namespace in which Velero should operate.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Comma-separated list of features to enable for this Velero process. Combines with values from
    /// $HOME/.config/velero/config.json if present.
    #[arg(long, global = true, action = clap::ArgAction::Append)]
    pub features: Vec<StringArray>,
    /// Show colored output in TTY. Overrides 'colorized' value from $HOME/.config/velero/config.json if present. Enabled by
    /// default.
    #[arg(long, global = true, value_name = "BOOL")]
    pub colorized: Option<OptionalBool>,
    #[command(flatten)]
    klog: Klog,
}

/// The logging flags of the Go release. They are accepted without effect, so that existing command lines work.
#[derive(Clone, Debug, Default, clap::Args)]
struct Klog {
    #[arg(long = "add_dir_header", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    add_dir_header: Option<String>,
    #[arg(long = "alsologtostderr", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    also_log_to_stderr: Option<String>,
    #[arg(long = "log_backtrace_at", global = true, hide = true)]
    log_backtrace_at: Option<String>,
    #[arg(long = "log_dir", global = true, hide = true)]
    log_dir: Option<String>,
    #[arg(long = "log_file", global = true, hide = true)]
    log_file: Option<String>,
    #[arg(long = "log_file_max_size", global = true, hide = true)]
    log_file_max_size: Option<String>,
    #[arg(long = "logtostderr", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    log_to_stderr: Option<String>,
    #[arg(long = "one_output", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    one_output: Option<String>,
    #[arg(long = "skip_headers", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    skip_headers: Option<String>,
    #[arg(long = "skip_log_headers", global = true, hide = true, num_args = 0..=1, require_equals = true)]
    skip_log_headers: Option<String>,
    #[arg(long = "stderrthreshold", global = true, hide = true)]
    stderr_threshold: Option<String>,
    #[arg(short = 'v', long = "v", global = true, hide = true)]
    verbosity: Option<String>,
    #[arg(long = "vmodule", global = true, hide = true)]
    v_module: Option<String>,
}

/// The settings of this call.
#[derive(Clone, Debug)]
pub struct Context {
    /// Velero's namespace.
    pub namespace: String,
    /// The enabled features.
    pub features: BTreeSet<String>,
    /// The kubeconfig file of the flag.
    kubeconfig: Option<PathBuf>,
    /// The context of the flag.
    kubecontext: Option<String>,
    /// The config file's path to certificates to trust for downloads.
    pub cacert: Option<String>,
    colour: bool,
    help: fn(&[&str]) -> anyhow::Result<()>,
}

impl Context {
    /// The settings of the flags, the config file and the environment. A config file that cannot be read is a warning. `help` prints
    /// the help of a group of commands.
    pub fn new(globals: &Globals, help: fn(&[&str]) -> anyhow::Result<()>) -> Self {
        let config = Config::load(&config::path()).unwrap_or_else(|error| {
            terminal::eprintln(&format!("WARNING: Error reading config file: {error}"));
            Config::default()
        });
        Self {
            namespace: namespace(globals, &config, env::var("VELERO_NAMESPACE").ok()),
            features: features(globals, &config),
            kubeconfig: globals.kubeconfig.clone().filter(|path| !path.as_os_str().is_empty()),
            kubecontext: globals.kubecontext.clone().filter(|name| !name.is_empty()),
            cacert: config.cacert().map(str::to_owned),
            colour: colour(globals, &config, || {
                terminal::is_tty() && env::var_os("NO_COLOR").is_none()
            }),
            help,
        }
    }

    /// Refuses an invalid namespace before it becomes part of the path of a request.
    ///
    /// # Errors
    /// The namespace is not a DNS label.
    pub fn check_namespace(&self) -> anyhow::Result<()> {
        let name = self.namespace.as_str();
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends = [name.bytes().next(), name.bytes().last()];
        let is_label =
            name.len() <= 63 && ends.into_iter().flatten().all(inner) && name.bytes().all(|b| inner(b) || b == b'-');
        anyhow::ensure!(
            is_label,
            "invalid namespace {name:?}: it must be at most 63 lower-case letters, digits or '-', and start and end with a letter or digit"
        );
        Ok(())
    }

    /// Prints the help of the group of commands at `path`.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn help(&self, path: &[&str]) -> anyhow::Result<()> {
        (self.help)(path)
    }

    /// The time, time zone and colours for output.
    pub fn view(&self) -> View {
        View {
            now: System.now(),
            zone: TimeZone::system(),
            colour: self.colour,
        }
    }

    /// A client for the API server that retries transient errors.
    pub async fn client(&self) -> Result<Client, ConnectError> {
        let cluster = Cluster::connect(&ClientOptions {
            retry: true,
            ..self.options(&program())
        })
        .await?;
        Ok(cluster.client().clone())
    }

    /// The server's connections. Those for its work share the rate limit (decision 9).
    pub async fn connection(&self, limit: Option<RateLimit>) -> Result<server::Connection, ConnectError> {
        let unlimited = ClientOptions {
            uncompressed: true,
            ..self.options("velero-server")
        };
        let options = ClientOptions {
            limit,
            ..unlimited.clone()
        };
        Ok(server::Connection {
            lease: Cluster::connect(&unlimited).await?,
            cluster: Cluster::connect(&ClientOptions {
                retry: true,
                ..options.clone()
            })
            .await?,
            engine: Cluster::connect(&options).await?,
            namespace: self.namespace.clone(),
        })
    }

    fn options(&self, program: &str) -> ClientOptions {
        ClientOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.kubecontext.clone(),
            user_agent: Some(build_info::user_agent(program)),
            ..ClientOptions::default()
        }
    }

    /// The objects of one kind in Velero's namespace.
    pub async fn objects<K: Kind>(&self) -> Result<Objects<K>, ConnectError> {
        Ok(Objects::new(&self.client().await?, &self.namespace))
    }
}

/// The file name of this program.
fn program() -> String {
    let path = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    path.file_name()
        .map_or_else(|| "velero".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The flag, else the config file, else the environment, else `velero`. As upstream, the file has precedence over the
/// environment.
fn namespace(globals: &Globals, config: &Config, environment: Option<String>) -> String {
    let flag = globals.namespace.clone().filter(|namespace| !namespace.is_empty());
    flag.or_else(|| config.namespace().map(str::to_owned))
        .or(environment.filter(|namespace| !namespace.is_empty()))
        .unwrap_or_else(|| "velero".to_owned())
}

/// The features of the config file and of the flag.
fn features(globals: &Globals, config: &Config) -> BTreeSet<String> {
    let flag = StringArray::all(&globals.features);
    config
        .features()
        .into_iter()
        .chain(flag)
        .filter(|feature| !feature.is_empty())
        .collect()
}

/// The flag, else the config file, else whether standard output is a terminal.
fn colour(globals: &Globals, config: &Config, is_tty: impl Fn() -> bool) -> bool {
    OptionalBool::of(globals.colorized)
        .or_else(|| config.colorized())
        .unwrap_or_else(is_tty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_must_be_a_dns_label() {
        for (name, is_legal) in [
            ("velero", true),
            ("v-1", true),
            ("a/b", false),
            ("../x", false),
            ("v?x=y", false),
            ("Velero", false),
            ("-v", false),
        ] {
            let globals = Globals {
                namespace: Some(name.to_owned()),
                ..Globals::default()
            };
            assert_eq!(
                Context::new(&globals, |_| Ok(())).check_namespace().is_ok(),
                is_legal,
                "{name}"
            );
        }
    }

    fn config(pairs: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (key, value) in pairs {
            config.set(key, value);
        }
        config
    }

    #[test]
    fn the_flag_precedes_the_config_file_and_that_the_environment() {
        let flag = Globals {
            namespace: Some("f".into()),
            ..Globals::default()
        };
        let (none, file) = (Globals::default(), config(&[("namespace", "c")]));
        let cases = [
            (&flag, &file, Some("e"), "f"),
            (&none, &file, Some("e"), "c"),
            (&none, &Config::default(), Some("e"), "e"),
            (&none, &Config::default(), Some(""), "velero"),
            (&none, &Config::default(), None, "velero"),
        ];
        for (globals, config, environment, want) in cases {
            assert_eq!(namespace(globals, config, environment.map(str::to_owned)), want);
        }
    }

    #[test]
    fn features_of_file_and_flag_are_merged() {
        let globals = Globals {
            features: vec!["EnableCSI".parse().unwrap(), "B".parse().unwrap()],
            ..Globals::default()
        };
        let features = features(&globals, &config(&[("features", "A,B")]));
        assert_eq!(features.into_iter().collect::<Vec<_>>(), ["A", "B", "EnableCSI"]);
    }

    #[test]
    fn colours_need_a_terminal_unless_they_are_set() {
        let off = Globals {
            colorized: Some(OptionalBool(Some(false))),
            ..Globals::default()
        };
        let (none, on) = (Globals::default(), config(&[("colorized", "true")]));
        assert!(!colour(&off, &on, || true));
        assert!(colour(&none, &on, || false));
        assert!(!colour(&none, &Config::default(), || false));
    }
}
