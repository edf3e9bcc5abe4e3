use std::io::Read;

use flate2::read::GzDecoder;

use super::*;
use crate::archive::layout::{ItemCopy, Member, parse_path};
use crate::archive::reader::{self, Sink};

const RECORDED: &[u8] = include_bytes!("../../../tests/data/go-1.18.1/bucket/backups/golden1/golden1.tar.gz");

fn unzip(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    tar
}

/// Writes the items of one archive into another.
struct Again<W: Write>(ArchiveWriter<W>);

impl<W: Write> Sink for Again<W> {
    fn member(&mut self, member: Member<'_>, _path: &str, content: &[u8]) -> std::io::Result<()> {
        if let Member::Item(item, ItemCopy::Versioned { version, preferred }) = member {
            self.0
                .item(&item, version, preferred, content)
                .map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}

#[test]
fn the_recorded_archive_is_rewritten_byte_for_byte() {
    let recorded = unzip(RECORDED);
    let mtime = tar::Header::from_byte_slice(&recorded[..512]).mtime().unwrap();
    let mut again = Again(ArchiveWriter::new(Vec::new(), mtime).unwrap());
    let summary = reader::read(RECORDED, &Limits::default(), &mut again).unwrap();
    assert_eq!(summary.members, 167);
    let written = again.0.finish().unwrap();

    let entry_paths = |tar: &[u8]| -> Vec<Vec<u8>> {
        let mut archive = tar::Archive::new(tar);
        archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path_bytes().into_owned())
            .collect()
    };
    assert_eq!(entry_paths(&written), entry_paths(&recorded));
    // The recorded run may span two seconds, so each header is compared without its time and checksum.
    let timeless = |tar: &[u8]| {
        let mut tar = tar.to_vec();
        let mut at = 0;
        while at + 512 <= tar.len() && tar[at] != 0 {
            let size = tar::Header::from_byte_slice(&tar[at..at + 512]).entry_size().unwrap();
            tar[at + 136..at + 156].fill(0);
            at += 512 + usize::try_from(size.next_multiple_of(512)).unwrap();
        }
        tar
    };
    assert!(timeless(&written) == timeless(&recorded));
}

#[test]
fn compression_is_repeatable_and_has_gos_header() {
    let zip = || {
        let writer = ArchiveWriter::new(gzip(Vec::new()), 1_700_000_000).unwrap();
        writer.finish().unwrap().finish().unwrap()
    };
    assert_eq!(zip(), zip());
    assert_eq!(zip()[..10], RECORDED[..10]);
}

#[test]
fn an_item_of_a_version_that_is_not_preferred_has_no_plain_copy() {
    let item = ItemPath {
        group_resource: "deployments.apps",
        namespace: Some("shop"),
        name: "web",
    };
    let mut writer = ArchiveWriter::new(gzip(Vec::new()), 0).unwrap();
    writer.item(&item, "v1beta1", false, b"{}").unwrap();
    writer.item(&item, "v1", true, b"{}").unwrap();
    let archive = unzip(&writer.finish().unwrap().finish().unwrap());
    let paths: Vec<String> = tar::Archive::new(archive.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "metadata/version",
            "resources/deployments.apps/v1beta1/namespaces/shop/web.json",
            "resources/deployments.apps/namespaces/shop/web.json",
            "resources/deployments.apps/v1-preferredversion/namespaces/shop/web.json",
        ]
    );
}

#[test]
fn every_entry_is_a_regular_file_of_roots_with_the_callers_time() {
    let long = "p".repeat(253);
    let mut writer = ArchiveWriter::new(Vec::new(), 1_700_000_000).unwrap();
    for name in ["web", "système:node", &long] {
        let item = ItemPath {
            group_resource: "pods",
            namespace: None,
            name,
        };
        writer.item(&item, "v1", true, b"{}").unwrap();
    }
    let tar = writer.finish().unwrap();
    assert!(tar.ends_with(&block::END));
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut count = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert!(header.entry_type().is_file());
        assert_eq!(header.mode().unwrap(), 0o755);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(
            (header.username_bytes(), header.groupname_bytes()),
            (Some(&b""[..]), Some(&b""[..]))
        );
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert!(
            matches!(parse_path(&path), Member::Item(..) | Member::FormatVersion),
            "{path}"
        );
        count += 1;
    }
    assert_eq!(count, 7);
}

#[test]
fn an_item_that_cannot_be_written_leaves_the_archive_as_it_was() {
    let item = |name| ItemPath {
        group_resource: "pods",
        namespace: None,
        name,
    };
    let mut writer = ArchiveWriter::new(Vec::new(), 0).unwrap();
    let before = writer.out.len();
    for name in ["", ".", "..", "../a", "a/b", "a\0b"] {
        assert!(
            matches!(writer.item(&item(name), "v1", true, b"{}"), Err(WriteError::Name(_))),
            "{name:?}"
        );
    }
    let huge = vec![b' '; (16 << 20) + 1];
    assert!(matches!(
        writer.item(&item("huge"), "v1", true, &huge),
        Err(WriteError::TooLarge { .. })
    ));
    assert_eq!(writer.out.len(), before);
}
