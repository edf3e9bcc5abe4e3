//! The log of one backup or restore: written as it happens, gzipped into a local file that later goes to the bucket,
//! and the source of a backup's warning and error counts and of its results file (spec backup 16.6).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::panic::Location;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use super::logrus::{Format, Level, write_line};
use super::trace::TraceParent;

/// The target of the lines of runs in the process's log; they are formatted already.
pub(super) const TARGET: &str = "velero::run";

/// Limit on the bytes of message text in the results of a run. Further messages are counted, and are only in the log.
const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// A source of the time, so that a test can fix it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a message belongs in a results file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// About Velero itself.
    Velero,
    /// About a cluster-scoped object.
    Cluster,
    /// About an object of this namespace.
    Namespace(String),
}

/// Messages by scope, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Number of lines, with those that are only in the log.
    pub count: u64,
    /// The kept texts in order of appearance.
    pub by_scope: BTreeMap<Scope, Vec<String>>,
    /// How many were only counted, because the kept texts had reached their limit.
    pub dropped: u64,
}

/// The log of one run. Clones write to the same file; a line is one short critical section.
#[derive(Clone)]
pub struct RunLog {
    inner: Arc<Inner>,
}

struct Inner {
    format: Format,
    level: Level,
    /// Fields on every line, such as `backup=velero/nightly`.
    base: Vec<(&'static str, String)>,
    now: Now,
    state: Mutex<State>,
}

struct State {
    /// `None` after [`RunLog::finish`], or after a write failed: then the lines go to the process's log only.
    file: Option<GzEncoder<BufWriter<File>>>,
    line: String,
    warnings: Messages,
    errors: Messages,
    kept_bytes: usize,
    /// The first failure of the file; reported by `finish`.
    failure: Option<io::Error>,
}

impl RunLog {
    /// Starts a log in `file` (empty, readable and writable). `base` are the fields of every line; if the current span is exported, its ids
    /// are too.
    pub fn create(file: File, format: Format, level: Level, mut base: Vec<(&'static str, String)>, now: Now) -> Self {
        // Once and not a line: there are some lines for each object, and an attempt is one span.
        if let Some(span) = TraceParent::current().filter(TraceParent::is_sampled) {
            base.extend([("trace_id", span.trace_id()), ("span_id", span.span_id())]);
        }
        Self {
            inner: Arc::new(Inner {
                format,
                level,
                base,
                now,
                state: Mutex::new(State {
                    file: Some(encoder(file)),
                    line: String::new(),
                    warnings: Messages::default(),
                    errors: Messages::default(),
                    kept_bytes: 0,
                    failure: None,
                }),
            }),
        }
    }

    /// Starts a line; nothing is written before [`Line::msg`].
    #[track_caller]
    pub fn line(&self, level: Level) -> Line<'_> {
        Line {
            log: self,
            level,
            fields: Vec::new(),
            source: Location::caller(),
        }
    }

    /// A line without further fields.
    #[track_caller]
    pub fn info(&self, message: impl AsRef<str>) {
        self.line(Level::Info).msg(message);
    }

    /// A line without further fields; counts as a warning about Velero itself.
    #[track_caller]
    pub fn warn(&self, message: impl AsRef<str>) {
        self.line(Level::Warning).msg(message);
    }

    /// A line without further fields; counts as an error about Velero itself.
    #[track_caller]
    pub fn error(&self, message: impl AsRef<str>) {
        self.line(Level::Error).msg(message);
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Messages {
        self.state().warnings.clone()
    }

    /// The errors so far.
    pub fn errors(&self) -> Messages {
        self.state().errors.clone()
    }

    /// How many warnings and errors there are, without copying their texts.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.warnings.count, state.errors.count)
    }

    /// The log so far as a complete gzip file, so that a running backup's log can be served. Closes the current gzip member and
    /// begins another; readers read the members as one text.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` after [`RunLog::finish`].
    pub fn snapshot(&self) -> io::Result<File> {
        let mut state = self.state();
        let Some(encoder_now) = state.file.take() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the log of this run is closed"));
        };
        let mut file = encoder_now
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let mut copy = file.try_clone()?;
        // A clone shares its offset with the writer, which must stay at the end; so the reader gets a copy.
        copy.seek(SeekFrom::Start(0))?;
        let mut snapshot = tempfile::tempfile()?;
        io::copy(&mut copy, &mut snapshot)?;
        snapshot.seek(SeekFrom::Start(0))?;
        file.seek(SeekFrom::End(0))?;
        state.file = Some(encoder(file));
        Ok(snapshot)
    }

    /// Closes the log and returns its file, rewound. Later lines go to the process's log only.
    ///
    /// # Errors
    /// The first failure to write, if there was one.
    pub fn finish(&self) -> io::Result<File> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let Some(encoder) = state.file.take() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the log of this run is closed"));
        };
        let mut file = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while a line was written leaves at worst half a line.
        self.inner.state.lock()
    }

    fn write(&self, line: &Line<'_>, message: &str) {
        if line.level < self.inner.level {
            return;
        }
        let source = format!("{}:{}", line.source.file(), line.source.line());
        let mut fields: Vec<(&str, &str)> = self.inner.base.iter().map(|(k, v)| (*k, v.as_str())).collect();
        fields.extend(line.fields.iter().map(|(k, v)| (*k, v.as_str())));
        fields.push(("logSource", &source));
        let at = (self.inner.now)();

        let mut state = self.state();
        if line.level >= Level::Warning {
            state.count(line, message);
        }
        let mut text = std::mem::take(&mut state.line);
        text.clear();
        write_line(&mut text, self.inner.format, at, line.level, message, &mut fields);
        if let Some(file) = state.file.as_mut()
            && let Err(failure) = file.write_all(text.as_bytes())
        {
            state.file = None;
            state.failure = Some(failure);
        }
        // The process's log shows warnings and errors; other lines only with a lower log level.
        let shown = text.trim_end();
        match line.level {
            Level::Error => tracing::error!(target: TARGET, "{shown}"),
            Level::Warning => tracing::warn!(target: TARGET, "{shown}"),
            Level::Info | Level::Debug => tracing::debug!(target: TARGET, "{shown}"),
        }
        state.line = text;
    }
}

impl State {
    fn count(&mut self, line: &Line<'_>, message: &str) {
        let field = |name: &str| line.fields.iter().find(|(k, _)| *k == name).map(|(_, v)| v.as_str());
        let mut text = String::new();
        for (label, value) in [
            ("resource", field("resource")),
            ("name", field("name")),
            ("message", Some(message)),
            ("error", field("error")),
        ] {
            if let Some(value) = value {
                let _ = write!(text, " {label}: /{value}");
            }
        }
        let scope = match field("namespace") {
            None => Scope::Velero,
            Some("") => Scope::Cluster,
            Some(namespace) => Scope::Namespace(namespace.to_owned()),
        };
        let messages = if line.level == Level::Error {
            &mut self.errors
        } else {
            &mut self.warnings
        };
        messages.count += 1;
        if self.kept_bytes + text.len() > MAX_MESSAGE_BYTES {
            messages.dropped += 1;
        } else {
            self.kept_bytes += text.len();
            messages.by_scope.entry(scope).or_default().push(text);
        }
    }
}

fn encoder(file: File) -> GzEncoder<BufWriter<File>> {
    GzEncoder::new(BufWriter::new(file), Compression::default())
}

/// A line under construction.
#[must_use = "a line is written by `msg`"]
pub struct Line<'a> {
    log: &'a RunLog,
    level: Level,
    fields: Vec<(&'static str, String)>,
    source: &'static Location<'static>,
}

impl Line<'_> {
    /// Adds a field; `resource`, `name` and `namespace` decide the place of a warning or error in the results.
    pub fn field(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((key, value.into()));
        self
    }

    /// Adds the field `error`, the texts of the error's sources included where they are not part of its own.
    pub fn error(self, error: &dyn std::error::Error) -> Self {
        self.field("error", super::causes::in_line(error))
    }

    /// Writes the line.
    pub fn msg(self, message: impl AsRef<str>) {
        self.log.write(&self, message.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn log() -> RunLog {
        let now: Now = Arc::new(|| "2026-11-24T01:02:03Z".parse().unwrap());
        RunLog::create(
            tempfile::tempfile().unwrap(),
            Format::Text,
            Level::Info,
            vec![("backup", "velero/nightly".to_owned())],
            now,
        )
    }

    fn text(file: File) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn warnings_and_errors_are_counted_and_filed_by_namespace() {
        let log = log();
        log.warn("a");
        log.line(Level::Error)
            .field("namespace", "")
            .field("resource", "nodes")
            .msg("b");
        let boom = io::Error::other("boom");
        log.line(Level::Error)
            .field("namespace", "shop")
            .field("name", "web")
            .error(&boom)
            .msg("c");
        log.info("not counted");
        assert_eq!(log.counts(), (1, 2));
        assert_eq!(log.warnings().by_scope[&Scope::Velero], [" message: /a"]);
        assert_eq!(
            log.errors().by_scope[&Scope::Cluster],
            [" resource: /nodes message: /b"]
        );
        assert_eq!(
            log.errors().by_scope[&Scope::Namespace("shop".to_owned())],
            [" name: /web message: /c error: /boom"]
        );
    }

    #[test]
    fn a_snapshot_of_a_running_log_is_a_complete_gzip_file() {
        let log = log();
        log.info("one");
        let snapshot = text(log.snapshot().unwrap());
        log.info("two");
        let whole = text(log.finish().unwrap());
        assert!(snapshot.contains("msg=one") && !snapshot.contains("msg=two"));
        assert!(whole.contains("msg=one") && whole.contains("msg=two"));
        assert!(
            whole.contains("backup=velero/nightly logSource=\"src/telemetry/run_log.rs:"),
            "{whole}"
        );
    }

    #[test]
    fn lines_below_the_level_are_not_written() {
        let log = log();
        log.line(Level::Debug).msg("chatter");
        assert_eq!(text(log.finish().unwrap()), "");
    }

    #[test]
    fn message_texts_are_bounded_and_the_count_is_not() {
        let log = log();
        let long = "x".repeat(1 << 20);
        for _ in 0..10 {
            log.error(&long);
        }
        let errors = log.errors();
        assert_eq!(errors.count, 10);
        assert!(errors.dropped >= 2);
    }
}
