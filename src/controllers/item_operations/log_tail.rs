//! Lines that are added to the end of a log in the bucket, once, however often that is repeated.
//!
//! A log is gzip, and gzip is a sequence of members that readers see as one text. The added lines are a member of their own, whose header has
//! a name. A repetition finds it and replaces what begins there.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use flate2::bufread::GzDecoder;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;

use crate::controllers::context::Context;
use crate::controllers::run::RunError;
use crate::controllers::run::uploads::Uploads;
use crate::store::Store;
use crate::telemetry::run_log::RunLog;

/// The name in the header of the added member.
const MEMBER: &str = "finalizer";

/// Adds the lines of `log` to the log at this key. A log that is no gzip stays as it is: what failed is in the results too.
///
/// # Errors
/// See [`RunError`]. May be repeated.
pub async fn put(
    ctx: &Context,
    store: &Store,
    uploads: &mut Uploads<'_>,
    key: &str,
    log: &RunLog,
) -> Result<(), RunError> {
    let mut local = tokio::fs::File::from_std(tempfile::tempfile_in(&ctx.scratch)?);
    match store.stream(key).await {
        Ok((_, mut pieces)) => {
            while let Some(piece) = pieces.try_next().await? {
                local.write_all(&piece).await?;
            }
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    local.flush().await?;
    let (before, lines) = (local.into_std().await, log.finish()?);
    let out = tempfile::tempfile_in(&ctx.scratch)?;
    let appended = tokio::task::spawn_blocking(move || appended(before, lines, out)).await;
    match appended.map_err(io::Error::other).flatten() {
        Ok(whole) => uploads.put_file(store, key, whole).await?,
        Err(error) => tracing::warn!(key, %error, "the log of a finalized run was not completed"),
    }
    Ok(())
}

/// The log with these lines at its end; both are gzip, `log` may be empty. Returns it rewound.
///
/// # Errors
/// `log` is not gzip, or a local file failed.
fn appended(log: File, lines: impl Read, mut out: File) -> io::Result<File> {
    let end = end_of_others(&log)?;
    let mut log = log;
    log.seek(SeekFrom::Start(0))?;
    io::copy(&mut log.take(end), &mut out)?;
    let mut member = GzBuilder::new()
        .filename(MEMBER)
        .write(BufWriter::new(out), Compression::default());
    io::copy(&mut MultiGzDecoder::new(lines), &mut member)?;
    let mut out = member.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.flush()?;
    out.seek(SeekFrom::Start(0))?;
    Ok(out)
}

/// Where the added member begins, or would begin.
fn end_of_others(log: &File) -> io::Result<u64> {
    let mut file = log.try_clone()?;
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut rest = BufReader::new(file);
    loop {
        let begin = rest.stream_position()?;
        if begin >= size {
            return Ok(size);
        }
        let mut member = GzDecoder::new(&mut rest);
        if member
            .header()
            .is_some_and(|header| header.filename() == Some(MEMBER.as_bytes()))
        {
            return Ok(begin);
        }
        io::copy(&mut member, &mut io::sink())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;

    fn packed(texts: &[&str]) -> Vec<u8> {
        let mut all = Vec::new();
        for text in texts {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            all.extend(encoder.finish().unwrap());
        }
        all
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn text(file: &mut File) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_are_added_once_and_a_repetition_replaces_them() {
        let log = packed(&["one\n", "two\n"]);
        for (again, expected) in [("three\n", "one\ntwo\nthree\n"), ("other\n", "one\ntwo\nother\n")] {
            let first = appended(file(&log), &*packed(&["three\n"]), tempfile::tempfile().unwrap()).unwrap();
            let second = appended(first, &*packed(&[again]), tempfile::tempfile().unwrap());
            assert_eq!(text(&mut second.unwrap()), expected);
        }
    }

    #[test]
    fn a_log_that_is_absent_begins_with_the_lines_and_garbage_is_an_error() {
        let mut whole = appended(file(b""), &*packed(&["a\n"]), tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(text(&mut whole), "a\n");
        let garbage = appended(
            file(b"no gzip at all"),
            &*packed(&["a\n"]),
            tempfile::tempfile().unwrap(),
        );
        assert!(garbage.is_err());
    }
}
