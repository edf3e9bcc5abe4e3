use std::io::Write;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::archive::layout::{ItemCopy, ItemPath};
use crate::archive::writer::{ArchiveWriter, gzip};

/// What a sink saw, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Sink for Seen {
    fn member(&mut self, _member: Member<'_>, path: &str, content: &[u8]) -> io::Result<()> {
        self.0.push((path.to_owned(), content.to_vec()));
        Ok(())
    }
}

impl Seen {
    fn paths(&self) -> Vec<&str> {
        self.0.iter().map(|(path, _)| path.as_str()).collect()
    }
}

fn read_all(archive: &[u8]) -> Result<(Summary, Seen), ReadError> {
    read_within(archive, &Limits::default())
}

fn read_within(archive: &[u8], limits: &Limits) -> Result<(Summary, Seen), ReadError> {
    let mut seen = Seen::default();
    read(archive, limits, &mut seen).map(|summary| (summary, seen))
}

fn zip(tar: &[u8]) -> Vec<u8> {
    let mut gzip = gzip(Vec::new());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

/// One raw entry with any header and any name, its content padded.
fn raw(kind: u8, name: &[u8], content: &[u8]) -> Vec<u8> {
    raw_with(kind, name, content, |_| ())
}

fn raw_with(kind: u8, name: &[u8], content: &[u8], edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::new(kind));
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    edit(&mut header);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len() + block::padding(content.len() as u64), 0);
    entry
}

/// A gzip'd archive of raw entries, with its end.
fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.extend_from_slice(&block::END);
    zip(&tar)
}

fn pax_entry(records: &[(&str, &str)]) -> Vec<u8> {
    let content: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| pax::record(key, value))
        .collect();
    raw(b'x', b"PaxHeaders.0/x", &content)
}

/// Two items as a backup writes them.
fn small() -> Vec<u8> {
    let mut writer = ArchiveWriter::new(gzip(Vec::new()), 1_700_000_000).unwrap();
    let pod = ItemPath {
        group_resource: "pods",
        namespace: Some("shop"),
        name: "web-0",
    };
    let node = ItemPath {
        group_resource: "nodes",
        namespace: None,
        name: "a",
    };
    writer.item(&pod, "v1", true, br#"{"kind":"Pod"}"#).unwrap();
    writer.item(&node, "v1", true, br#"{"kind":"Node"}"#).unwrap();
    writer.finish().unwrap().finish().unwrap()
}

fn rule(result: Result<(Summary, Seen), ReadError>) -> Rule {
    match result {
        Err(ReadError::Hostile { rule, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_is_read_in_the_order_it_was_written() {
    let (summary, seen) = read_all(&small()).unwrap();
    assert_eq!(
        seen.paths(),
        [
            "metadata/version",
            "resources/pods/namespaces/shop/web-0.json",
            "resources/pods/v1-preferredversion/namespaces/shop/web-0.json",
            "resources/nodes/cluster/a.json",
            "resources/nodes/v1-preferredversion/cluster/a.json",
        ]
    );
    let expected = Summary {
        format: FormatVersion::CURRENT,
        members: 5,
        has_resources: true,
        warnings: Warnings::default(),
    };
    assert_eq!(summary, expected);
}

#[test]
fn an_archive_cut_at_any_byte_is_truncated() {
    let whole = small();
    for length in 0..whole.len() {
        let result = read_all(&whole[..length]);
        assert!(
            matches!(result, Err(ReadError::Truncated { .. })),
            "{length} of {}: {result:?}",
            whole.len()
        );
    }
}

#[test]
fn a_flipped_bit_never_changes_an_item() {
    let whole = small();
    let expected = read_all(&whole).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            // Time and system in the gzip header, and the padding bits after the last block, mean nothing.
            if let Ok(read) = read_all(&damaged) {
                assert_eq!(read, expected, "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn several_gzip_streams_are_one_archive() {
    let mut tar = Vec::new();
    MultiGzDecoder::new(small().as_slice()).read_to_end(&mut tar).unwrap();
    for cut in [0, 1, 511, 512, 700, tar.len() - 1, tar.len()] {
        let parts = [zip(&tar[..cut]), zip(&tar[cut..])].concat();
        assert_eq!(read_all(&parts).unwrap(), read_all(&small()).unwrap(), "{cut}");
    }
}

#[test]
fn input_other_than_gzip_or_tar_is_an_error_that_says_so() {
    assert!(matches!(
        read_all(b"<html>not found</html>"),
        Err(ReadError::Gzip { members: 0, .. })
    ));
    assert!(matches!(
        read_all(&zip(&[b'x'; 2048])),
        Err(ReadError::Tar { members: 0, .. })
    ));
    assert!(matches!(
        read_all(&[small(), b"garbage, and more of it".to_vec()].concat()),
        Err(ReadError::Gzip { members: 5, .. })
    ));

    let behind_its_end = [raw(b'0', b"a", b""), block::END.to_vec(), vec![1]].concat();
    assert!(matches!(
        read_all(&zip(&behind_its_end)),
        Err(ReadError::Tar { members: 1, .. })
    ));
    let without_end = raw(b'0', b"a", b"");
    assert!(matches!(
        read_all(&zip(&without_end)),
        Err(ReadError::Truncated { members: 1 })
    ));
}

#[test]
fn zeros_up_to_a_record_of_20_blocks_may_follow_the_end() {
    let tar = [raw(b'0', b"resources/pods/cluster/a.json", b"{}"), vec![0; 20 * 512]].concat();
    assert_eq!(read_all(&zip(&tar)).unwrap().0.members, 1);
}

#[test]
fn a_source_that_fails_is_not_taken_for_a_damaged_archive() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::new(ErrorKind::ConnectionReset, "reset by peer")),
                read => Ok(read),
            }
        }
    }
    let whole = small();
    for length in 0..whole.len() {
        let result = read(Broken(&whole[..length]), &Limits::default(), &mut Seen::default());
        match result {
            Err(ReadError::Source(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_sink_that_fails_ends_the_pass() {
    struct Full;
    impl Sink for Full {
        fn member(&mut self, _member: Member<'_>, _path: &str, _content: &[u8]) -> io::Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
    }
    let result = read(small().as_slice(), &Limits::default(), &mut Full);
    assert!(matches!(result, Err(ReadError::Sink(error)) if error.kind() == ErrorKind::StorageFull));
}

#[test]
fn a_missing_resources_directory_is_an_empty_backup() {
    let (summary, _) = read_all(&archive(&[raw(b'0', b"metadata/version", b"1.1.0\n")])).unwrap();
    assert!(!summary.has_resources);
    let (summary, _) = read_all(&archive(&[])).unwrap();
    assert!(!summary.has_resources);
    let (summary, _) = read_all(&archive(&[raw(b'5', b"resources/", b"")])).unwrap();
    assert!(summary.has_resources);
}

#[test]
fn formats_of_the_first_major_are_read_and_others_refused() {
    let with_version = |content: &[u8]| read_all(&archive(&[raw(b'0', b"metadata/version", content)]));
    for (content, expected) in [
        ("1", (1, 0, 0)),
        ("1\n", (1, 0, 0)),
        ("1.1.0\n", (1, 1, 0)),
        ("1.9", (1, 9, 0)),
    ] {
        let (major, minor, patch) = expected;
        assert_eq!(
            with_version(content.as_bytes()).unwrap().0.format,
            FormatVersion { major, minor, patch }
        );
    }
    for content in ["2.0.0\n", "0.1", "", "one", "1.1.0.0", "1.x", "\x1b[31m2"] {
        let error = with_version(content.as_bytes()).unwrap_err();
        assert!(matches!(error, ReadError::UnknownVersion { .. }), "{content}");
        assert!(!error.to_string().contains('\x1b'));
    }
    assert_eq!(read_all(&archive(&[])).unwrap().0.format, FormatVersion::FIRST);
}

#[test]
fn hostile_members_are_refused_by_rule() {
    let long = format!("resources/{}", "d/".repeat(600));
    let cases: Vec<(&str, Rule, Vec<Vec<u8>>)> = vec![
        (
            "symbolic link",
            Rule::Link,
            vec![raw(b'2', b"resources/pods/cluster/a.json", b"")],
        ),
        (
            "hard link",
            Rule::Link,
            vec![raw(b'1', b"resources/pods/cluster/a.json", b"")],
        ),
        (
            "long link target",
            Rule::Link,
            vec![raw(b'K', b"././@LongLink", b"/etc/shadow\0")],
        ),
        (
            "character device",
            Rule::NotAFile,
            vec![raw(b'3', b"resources/null", b"")],
        ),
        ("block device", Rule::NotAFile, vec![raw(b'4', b"resources/sda", b"")]),
        ("pipe", Rule::NotAFile, vec![raw(b'6', b"resources/pipe", b"")]),
        (
            "contiguous file",
            Rule::NotAFile,
            vec![raw(b'7', b"resources/file", b"")],
        ),
        (
            "GNU sparse file",
            Rule::NotAFile,
            vec![raw(b'S', b"resources/sparse", b"")],
        ),
        ("unknown type", Rule::NotAFile, vec![raw(b'?', b"resources/what", b"")]),
        (
            "PAX sparse file",
            Rule::NotAFile,
            vec![pax_entry(&[("GNU.sparse.map", "0,1")]), raw(b'0', b"a", b"")],
        ),
        ("parent", Rule::Path, vec![raw(b'0', b"../etc/passwd", b"")]),
        (
            "parent inside",
            Rule::Path,
            vec![raw(b'0', b"resources/../../etc/passwd", b"")],
        ),
        ("parent at the end", Rule::Path, vec![raw(b'5', b"resources/..", b"")]),
        ("absolute", Rule::Path, vec![raw(b'0', b"/etc/passwd", b"")]),
        (
            "dot inside",
            Rule::Path,
            vec![raw(b'0', b"resources/./pods/cluster/a.json", b"")],
        ),
        ("two dots before", Rule::Path, vec![raw(b'0', b"././a", b"")]),
        (
            "empty segment",
            Rule::Path,
            vec![raw(b'0', b"resources//pods/cluster/a.json", b"")],
        ),
        ("empty name", Rule::Path, vec![raw(b'0', b"", b"")]),
        ("no UTF-8", Rule::Path, vec![raw(b'0', b"resources/\xff", b"")]),
        (
            "NUL in a PAX path",
            Rule::Path,
            vec![pax_entry(&[("path", "a\0b")]), raw(b'0', b"a", b"")],
        ),
        (
            "PAX path leads out",
            Rule::Path,
            vec![pax_entry(&[("path", "../b")]), raw(b'0', b"a", b"")],
        ),
        (
            "GNU path leads out",
            Rule::Path,
            vec![raw(b'L', b"x", b"/b\0"), raw(b'0', b"a", b"")],
        ),
        (
            "long PAX path",
            Rule::PathLength,
            vec![pax_entry(&[("path", &long)]), raw(b'0', b"a", b"")],
        ),
        (
            "long GNU path",
            Rule::PathLength,
            vec![raw(b'L', b"x", long.as_bytes()), raw(b'0', b"a", b"")],
        ),
        (
            "twice",
            Rule::Duplicate,
            vec![raw(b'0', b"a", b"1"), raw(b'0', b"a", b"2")],
        ),
        (
            "twice in another spelling",
            Rule::Duplicate,
            vec![raw(b'0', b"a", b"1"), raw(b'0', b"./a", b"1")],
        ),
        (
            "twice, once by PAX",
            Rule::Duplicate,
            vec![
                raw(b'0', b"a", b"1"),
                pax_entry(&[("path", "a")]),
                raw(b'0', b"b", b"1"),
            ],
        ),
    ];
    for (name, expected, entries) in cases {
        assert_eq!(rule(read_all(&archive(&entries))), expected, "{name}");
    }
}

#[test]
fn no_member_is_larger_than_the_limit_whatever_its_header_says() {
    let limits = Limits {
        member: 1000,
        ..Limits::default()
    };
    assert!(read_within(&archive(&[raw(b'0', b"a", &[b'x'; 1000])]), &limits).is_ok());
    assert_eq!(
        rule(read_within(&archive(&[raw(b'0', b"a", &[b'x'; 1001])]), &limits)),
        Rule::MemberSize
    );

    let claims = |size: u64| raw_with(b'0', b"a", b"", |header| header.set_size(size));
    assert_eq!(
        rule(read_within(&archive(&[claims(1 << 40)]), &limits)),
        Rule::MemberSize
    );
    assert_eq!(
        rule(read_within(&archive(&[claims(u64::MAX)]), &limits)),
        Rule::MemberSize
    );
    assert!(matches!(
        read_all(&archive(&[claims(1 << 20)])),
        Err(ReadError::Truncated { members: 0 })
    ));
    let by_pax = [pax_entry(&[("size", "18446744073709551615")]), raw(b'0', b"a", b"")];
    assert_eq!(rule(read_within(&archive(&by_pax), &limits)), Rule::MemberSize);
}

#[test]
fn an_entry_that_describes_another_is_limited_too() {
    for kind in [b'x', b'g', b'L'] {
        let claims = raw_with(kind, b"a", b"", |header| header.set_size(1 << 40));
        assert_eq!(rule(read_all(&archive(&[claims]))), Rule::PathLength);
    }
}

#[test]
fn members_and_other_entries_are_limited() {
    let limits = Limits {
        members: 3,
        ..Limits::default()
    };
    let files = |count: u8| (0..count).map(|n| raw(b'0', &[b'a' + n], b"")).collect::<Vec<_>>();
    assert!(read_within(&archive(&files(3)), &limits).is_ok());
    assert_eq!(rule(read_within(&archive(&files(4)), &limits)), Rule::Members);
    let directories = vec![raw(b'5', b"resources/", b""); 7];
    assert_eq!(rule(read_within(&archive(&directories), &limits)), Rule::Members);
    let globals = vec![raw(b'g', b"x", b""); 7];
    assert_eq!(rule(read_within(&archive(&globals), &limits)), Rule::Members);
}

#[test]
fn a_decompression_bomb_ends_at_the_limit() {
    let limits = Limits {
        total: 1 << 20,
        ..Limits::default()
    };
    let file = |size: usize| raw(b'0', b"a", &vec![0; size]);
    assert!(read_within(&archive(&[file(1000 << 10)]), &limits).is_ok());
    assert_eq!(rule(read_within(&archive(&[file(1 << 20)]), &limits)), Rule::Total);
    // Behind the end, where nothing is kept, there may be a bomb as well.
    let behind = [raw(b'0', b"a", b""), vec![0; 2 << 20]].concat();
    assert_eq!(rule(read_within(&zip(&behind), &limits)), Rule::Total);
    // And in a directory, which has no content worth reading.
    let directory = raw(b'5', b"a", &vec![0; 2 << 20]);
    assert_eq!(rule(read_within(&archive(&[directory]), &limits)), Rule::Total);
}

#[test]
fn directories_dot_slashes_and_old_headers_are_tolerated() {
    let v7 = |name: &[u8], content: &[u8]| {
        raw_with(b'0', name, content, |header| {
            header.as_mut_bytes()[156] = 0;
            header.as_mut_bytes()[257..265].fill(0);
        })
    };
    let entries = [
        raw(b'5', b"./", b""),
        raw(b'5', b"./resources/", b""),
        raw(b'5', b"./resources", b""),
        v7(b"resources/pods/", b""),
        v7(b"./resources/pods/cluster/a.json", b"{}"),
        raw(b'g', b"pax_global_header", &pax::record("comment", "from git")),
        raw(b'0', b"./resources/pods/cluster/b.json", b"{}"),
    ];
    let (summary, seen) = read_all(&archive(&entries)).unwrap();
    assert_eq!(
        seen.paths(),
        ["resources/pods/cluster/a.json", "resources/pods/cluster/b.json"]
    );
    assert!(summary.has_resources);
}

#[test]
fn long_names_of_either_kind_are_accepted() {
    let path = format!("resources/pods/namespaces/{}/{}.json", "n".repeat(63), "p".repeat(253));
    let pax = [pax_entry(&[("mtime", "1.5"), ("path", &path)]), raw(b'0', b"cut", b"1")];
    let gnu = [
        raw(b'L', b"././@LongLink", format!("{path}\0").as_bytes()),
        raw(b'0', b"cut", b"1"),
    ];
    for entries in [pax, gnu] {
        let (_, seen) = read_all(&archive(&entries)).unwrap();
        assert_eq!(seen.paths(), [&path]);
    }
}

#[test]
fn the_description_of_one_entry_does_not_reach_the_next() {
    let entries = [
        pax_entry(&[("path", "a")]),
        raw(b'0', b"x", b"1"),
        raw(b'0', b"b", b"2"),
    ];
    assert_eq!(read_all(&archive(&entries)).unwrap().1.paths(), ["a", "b"]);
}

#[test]
fn files_that_are_not_items_are_bounded_warnings() {
    let mut entries = vec![
        raw(b'0', b"resources/readme", b""),
        raw(b'0', b"resources/pods/namespaces/shop/web.yaml", b""),
        raw(b'0', b"something/else", b""),
    ];
    let (summary, _) = read_all(&archive(&entries)).unwrap();
    assert_eq!(summary.warnings.messages.len(), 2);
    entries.extend((0..200).map(|n| raw(b'0', format!("resources/{n}").as_bytes(), b"")));
    let (summary, _) = read_all(&archive(&entries)).unwrap();
    assert_eq!(
        (summary.warnings.messages.len(), summary.warnings.more),
        (Warnings::KEPT, 102)
    );
}

#[test]
fn an_error_shows_a_hostile_path_without_its_control_characters() {
    let evil = [b"../\x1b[2J\n", [b'x'; 80].as_slice()].concat();
    let error = read_all(&archive(&[raw(b'0', &evil, b"")])).unwrap_err().to_string();
    assert!(!error.contains(char::is_control), "{error}");
    assert!(error.contains(r"\u{1b}[2J\n"), "{error}");
}

proptest! {
    #[test]
    fn no_input_makes_the_reader_panic(tar in proptest::collection::vec(any::<u8>(), 0..3000), zipped in any::<bool>()) {
        let input = if zipped { zip(&tar) } else { tar };
        let _ = read_all(&input);
    }

    #[test]
    fn a_damaged_archive_ends_with_a_summary_or_an_error(
        wounds in proptest::collection::vec((any::<prop::sample::Index>(), 0..700usize, 0..4u8, any::<u8>()), 1..6),
        zipped in any::<bool>(),
        resealed in any::<bool>(),
    ) {
        let mut bytes = small();
        if !zipped {
            let mut tar = Vec::new();
            MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).unwrap();
            bytes = tar;
        }
        for (at, length, kind, value) in wounds {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            match kind {
                0 => drop(bytes.drain(start..end)),
                1 => bytes[start..end].fill(value),
                2 => bytes.splice(start..start, vec![value; length]).for_each(drop),
                _ => {
                    let twice = bytes[start..end].to_vec();
                    bytes.splice(start..start, twice).for_each(drop);
                }
            }
        }
        let archive = if zipped || !resealed { bytes.clone() } else { zip(&bytes) };
        let limits = Limits { total: 1 << 20, ..Limits::default() };
        if let Ok((summary, seen)) = read_within(&archive, &limits) {
            let handed_out: usize = seen.0.iter().map(|(_, content)| content.len()).sum();
            prop_assert!(handed_out <= 1 << 20 && summary.members == seen.0.len() as u64);
        }
    }

    #[test]
    fn a_damaged_header_makes_no_panic(at in 0..512usize, value in any::<u8>(), fix in any::<bool>()) {
        let mut entry = raw(b'0', b"resources/pods/cluster/a.json", b"{}");
        entry[at] = value;
        if fix {
            let mut header = Header::from_byte_slice(&entry[..512]).clone();
            header.set_cksum();
            entry[..512].copy_from_slice(header.as_bytes());
        }
        let _ = read_all(&archive(&[entry]));
    }

    #[test]
    fn any_valid_item_is_read_back_as_it_was_written(
        group_resource in "[a-z0-9.-]{1,90}",
        namespace in proptest::option::of("[a-z0-9-]{1,63}"),
        name in prop_oneof!["[a-z0-9.:-]{1,253}", "[^/\0]{1,80}", "[ -.0-~]{253}"],
        version in "v[0-9](alpha[0-9])?",
        preferred in any::<bool>(),
        json in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        prop_assume!(!["."," ..", ".."].contains(&name.as_str()) && ![".", ".."].contains(&group_resource.as_str()));
        let item = ItemPath { group_resource: &group_resource, namespace: namespace.as_deref(), name: &name };
        let mut writer = ArchiveWriter::new(gzip(Vec::new()), 1_700_000_000).unwrap();
        writer.item(&item, &version, preferred, &json).unwrap();
        let bytes = writer.finish().unwrap().finish().unwrap();

        let (_, seen) = read_all(&bytes).unwrap();
        let copies: Vec<_> = seen.0[1..].iter().map(|(path, content)| (parse_path(path), content)).collect();
        let versioned = Member::Item(item, ItemCopy::Versioned { version: &version, preferred });
        let expected = if preferred {
            vec![(Member::Item(item, ItemCopy::Plain), &json), (versioned, &json)]
        } else {
            vec![(versioned, &json)]
        };
        prop_assert_eq!(copies, expected);
    }
}
