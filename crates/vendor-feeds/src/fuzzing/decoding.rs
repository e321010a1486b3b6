//! Archives, compression and encodings. Each function packs or encodes what its input states, and compares what is read with it:
//! a document is read as it was written, or refused.

#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is what a fuzz target looks for"
)]

use std::io::Read as _;

use encoding_rs::{
    BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_2022_JP, ISO_8859_2,
    ISO_8859_5, ISO_8859_7, ISO_8859_15, KOI8_R, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1257, X_USER_DEFINED,
};

use super::packing::{
    Choices, archive, content, damaged, decoded, gzip_member, kinds_of, options, packed,
};
use crate::decode::{Limit, MAX_LEVELS, copy_to_spool, unpack};
use crate::options::DecodeOptions;

static ENCODINGS: [&Encoding; 24] = [
    UTF_8,
    UTF_16LE,
    UTF_16BE,
    WINDOWS_1250,
    WINDOWS_1251,
    WINDOWS_1252,
    WINDOWS_1257,
    ISO_8859_2,
    ISO_8859_5,
    ISO_8859_7,
    ISO_8859_15,
    KOI8_R,
    IBM866,
    MACINTOSH,
    SHIFT_JIS,
    EUC_JP,
    ISO_2022_JP,
    EUC_KR,
    BIG5,
    GBK,
    GB18030,
    X_USER_DEFINED,
    // The most frequent ones again.
    UTF_8,
    WINDOWS_1252,
];

/// Names of entries: files, a directory, what programs add, and the parts that make an archive a document.
const NAMES: [&str; 9] = [
    "stock.csv",
    "out/stock.csv",
    "b.csv",
    "a/",
    "__MACOSX/._stock.csv",
    "out/.DS_Store",
    "[Content_Types].xml",
    "mimetype",
    "META-INF/manifest.xml",
];

/// Size of the pieces in which texts are decoded.
const PIECE_BYTES: usize = 64 * 1024;
/// The size up to which `decode.max_ratio` is not checked.
const RATIO_FREE_BYTES: u64 = 1024 * 1024;

/// Reads the members of a gzip stream: whole, cut off and damaged, and bytes behind the magic number.
pub fn gzip(bytes: &[u8]) {
    let _ = decoded(&[&b"\x1f\x8b\x08"[..], bytes].concat(), &options(), 1);
    let mut choices = Choices(bytes);
    let (count, padding, level) = (choices.byte() % 4, choices.byte(), choices.byte());
    let (cut, at, mask) = (choices.number(), choices.number(), choices.byte());
    let mut pieces: Vec<&[u8]> = (0..count).map(|_| choices.piece()).collect();
    pieces.push(choices.0);
    let Some(whole) = content(&pieces.concat()) else {
        return;
    };
    let (mut stream, mut read) = (Vec::new(), 0);
    // For each member, the lengths up to its end of the stream and of the content.
    let mut ends = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let end = read + piece.len() + usize::from(index == 0);
        stream.extend(gzip_member(&whole[read..end], level));
        read = end;
        ends.push((stream.len(), end));
    }
    let padded = [stream.clone(), vec![0; usize::from(padding)]].concat();
    assert_eq!(decoded(&padded, &options(), 1), Ok(whole.clone()));
    let cut = 3 + cut % (stream.len() - 3);
    let expected = ends.iter().find(|(length, _)| *length == cut);
    let expected = expected.map(|(_, read)| whole[..*read].to_vec());
    assert_eq!(decoded(&stream[..cut], &options(), 1).ok(), expected);
    if let Ok(found) = decoded(&damaged(padded, 3, at, mask), &options(), 1) {
        assert_eq!(found, whole);
    }
}

/// Reads an entry of an archive: whole and damaged, and bytes behind the magic number.
pub fn zip(bytes: &[u8]) {
    let _ = decoded(&[&b"PK\x03\x04"[..], bytes].concat(), &options(), 1);
    let mut choices = Choices(bytes);
    let (count, wanted) = (choices.byte() % 5, usize::from(choices.byte()));
    let (at, mask) = (choices.number(), choices.byte());
    let mut contents = Vec::new();
    for _ in 0..count {
        let choice = choices.byte();
        let name = NAMES[usize::from(choice >> 1) % NAMES.len()];
        let Some(content) = content(choices.piece()) else {
            return;
        };
        contents.push((name, content, choice & 1 == 1));
    }
    let entries: Vec<(&str, &[u8], bool)> = contents
        .iter()
        .map(|(name, content, is_stored)| (*name, content.as_slice(), *is_stored))
        .collect();
    let (archive, entries) = archive(&entries);
    let has = |name: &str| entries.iter().any(|(entry, _)| *entry == name);
    let is_package = has("[Content_Types].xml") || has("mimetype") && has("META-INF/manifest.xml");
    let is_added = |name: &str| name.starts_with("__MACOSX/") || name.ends_with(".DS_Store");
    let mut files = entries
        .iter()
        .filter(|(name, _)| !name.ends_with('/') && !is_added(name));
    let wanted = NAMES.get(wanted % (2 * NAMES.len())).copied();
    let expected = match (wanted, files.next(), files.next()) {
        _ if is_package => Some(archive.as_slice()),
        (Some(wanted), ..) => {
            let entry = entries.iter().find(|(name, _)| *name == wanted);
            entry.map(|(_, content)| *content)
        }
        (None, Some((_, content)), None) => Some(*content),
        _ => None,
    };
    let options = DecodeOptions {
        entry: wanted.map(str::to_owned),
        ..options()
    };
    let found = decoded(&archive, &options, 1).ok();
    assert_eq!(found.as_deref(), expected);
    if let (Some(expected), false) = (expected, is_package)
        && let Ok(found) = decoded(&damaged(archive.clone(), 4, at, mask), &options, 1)
    {
        assert_eq!(found, expected);
    }
}

/// Reads a text in an encoding, also across the end of a piece.
pub fn charset(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let encoding = ENCODINGS[usize::from(choices.byte()) % ENCODINGS.len()];
    let before = choices.byte();
    let mut document = Vec::new();
    if before > 0 {
        let letter: &[u8] = match encoding.name() {
            "UTF-16LE" => b"a\0",
            "UTF-16BE" => b"\0a",
            _ => b"a",
        };
        let letters = PIECE_BYTES / letter.len() - usize::from(before % 16);
        document = letter.repeat(letters);
    }
    document.extend_from_slice(choices.0);
    let is_utf_32 =
        document.starts_with(&[0xff, 0xfe, 0, 0]) || document.starts_with(&[0, 0, 0xfe, 0xff]);
    let (marked, mark) = Encoding::for_bom(&document).unwrap_or((encoding, 0));
    let expected = decoded_at_once(marked, &document[mark..]).filter(|_| !is_utf_32);
    let options = DecodeOptions {
        charset: Some(encoding),
        ..options()
    };
    let spool = copy_to_spool(
        &mut document.as_slice(),
        Limit::Transferred(u64::MAX),
        |error| error,
    );
    // A document that begins like an archive is no text.
    let unpacked = spool.and_then(|spool| unpack(spool, &options, 0));
    let Some(unpacked) = unpacked.ok().filter(|_| !document.starts_with(b"PK")) else {
        return;
    };
    let mut text = String::new();
    let read = unpacked
        .into_text(|_| None)
        .and_then(|mut reader| reader.read_to_string(&mut text));
    match read {
        Ok(_) => assert_eq!(Some(text), expected),
        Err(error) => {
            assert_eq!(expected, None, "{error}");
            let problem = error.to_string();
            let offset = problem.split("byte offset ").nth(1);
            let offset = offset.and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
            let is_named = offset.is_some_and(|offset| offset < document.len());
            assert!(is_named || is_utf_32, "{problem}");
        }
    }
}

/// Decodes a text in one call; `None` if it is not valid.
fn decoded_at_once(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let length = decoder.max_utf8_buffer_length_without_replacement(bytes.len())?;
    let mut text = vec![0; length];
    let (result, _, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut text, true);
    text.truncate(written);
    match result {
        DecoderResult::InputEmpty => String::from_utf8(text).ok(),
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => None,
    }
}

/// Reads archives and gzip streams inside each other.
pub fn nesting(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let (count, is_compressed, kinds) = (choices.byte() % 6, choices.byte() & 1, choices.byte());
    let Some(content) = content(choices.0) else {
        return;
    };
    let layers = packed(content.clone(), kinds_of(count, kinds));
    let levels = MAX_LEVELS + usize::from(is_compressed);
    let expected = if layers.len() - 1 <= levels {
        Ok(content)
    } else {
        Err(format!(
            "more than {levels} archives or compressed files are inside each other"
        ))
    };
    let outside = layers.last().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(decoded(outside, &options(), levels), expected);
}

/// Reads documents of sizes around the limits: what exceeds one is refused with its setting, and nothing else is.
pub fn limits(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let (count, kinds, is_random) = (choices.byte() % 3, choices.byte(), choices.byte() & 1 == 1);
    let size = choices.number() * 20 + usize::from(choices.byte());
    let options = DecodeOptions {
        max_bytes: (choices.number() * 64) as u64,
        max_decoded_bytes: (choices.number() * 64) as u64,
        max_ratio: u32::from(choices.byte()) + 1,
        ..options()
    };
    let mut state = 1_u32;
    let content = (0..=size).map(|index| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if is_random && index > 0 {
            state.to_le_bytes()[3]
        } else {
            b'x'
        }
    });
    let layers = packed(content.collect(), kinds_of(count, kinds));
    let Some((outside, inside)) = layers.split_last() else {
        return;
    };
    let transferred = outside.len() as u64;
    let by_ratio = (transferred * u64::from(options.max_ratio)).max(RATIO_FREE_BYTES);
    let ratio = options.max_ratio;
    let limit = if by_ratio < options.max_decoded_bytes {
        Limit::Ratio {
            bytes: by_ratio,
            ratio,
        }
    } else {
        Limit::Decoded(options.max_decoded_bytes)
    };
    let largest = inside.iter().map(Vec::len).max().unwrap_or_default() as u64;
    let expected = if transferred > options.max_bytes {
        Err(Limit::Transferred(options.max_bytes).to_string())
    } else if largest > limit.bytes() {
        Err(limit.to_string())
    } else {
        Ok(layers[0].len())
    };
    let found = decoded(outside, &options, MAX_LEVELS);
    assert_eq!(found.map(|content| content.len()), expected);
}
