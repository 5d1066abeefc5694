//! A plain second reader: the definitions of RFC 4120 as tables, and one function that walks them.

use Grammar::{
    Application, Encoded, Flags, Integer, Microseconds, Octets, Sequence, SequenceOf, Text, Time, Unlooked,
};

/// What a value may be.
pub enum Grammar {
    /// An INTEGER between these.
    Integer(i128, i128),
    Microseconds,
    Octets,
    /// A GeneralString; of UTF-8, or of any octets.
    Text(bool),
    Time,
    Flags,
    /// Any SEQUENCE.
    Unlooked,
    SequenceOf(&'static Grammar),
    /// Fields by number; the flag says whether one has to be there.
    Sequence(&'static [(u8, bool, Grammar)]),
    Application(u8, &'static [(u8, bool, Grammar)]),
    /// Another message.
    Encoded(&'static Grammar),
}

const INT32: Grammar = Integer(-(1 << 31), (1 << 31) - 1);
const UINT32: Grammar = Integer(-(1 << 31), (1 << 32) - 1);
const STRING: Grammar = Text(true);
const VERSION: Grammar = Integer(5, 5);

const NAME: Grammar = Sequence(&[(0, true, INT32), (1, true, SequenceOf(&STRING))]);
const ENCRYPTED: Grammar = Sequence(&[(0, true, INT32), (1, false, UINT32), (2, true, Octets)]);
const NUMBERED: Grammar = Sequence(&[(0, true, INT32), (1, true, Octets)]);
const AUTHORIZATION_DATA: Grammar = SequenceOf(&NUMBERED);
const PADATA: Grammar = SequenceOf(&Sequence(&[(1, true, INT32), (2, true, Octets)]));
const LAST_REQ: Grammar = SequenceOf(&Sequence(&[(0, true, INT32), (1, true, Time)]));

static TICKET: Grammar =
    Application(1, &[(0, true, VERSION), (1, true, STRING), (2, true, NAME), (3, true, ENCRYPTED)]);
static AUTHENTICATOR: Grammar = Application(
    2,
    &[
        (0, true, VERSION),
        (1, true, STRING),
        (2, true, NAME),
        (3, false, NUMBERED),
        (4, true, Microseconds),
        (5, true, Time),
        (6, false, NUMBERED),
        (7, false, UINT32),
        (8, false, AUTHORIZATION_DATA),
    ],
);
static ENC_TICKET_PART: Grammar = Application(
    3,
    &[
        (0, true, Flags),
        (1, true, NUMBERED),
        (2, true, STRING),
        (3, true, NAME),
        (4, true, NUMBERED),
        (5, true, Time),
        (6, false, Time),
        (7, true, Time),
        (8, false, Time),
        (9, false, Unlooked),
        (10, false, AUTHORIZATION_DATA),
    ],
);
static KDC_REQ_BODY: Grammar = Sequence(&[
    (0, true, Flags),
    (1, false, NAME),
    (2, true, STRING),
    (3, false, NAME),
    (4, false, Time),
    (5, true, Time),
    (6, false, Time),
    (7, true, UINT32),
    (8, true, SequenceOf(&INT32)),
    (9, false, Unlooked),
    (10, false, ENCRYPTED),
    (11, false, SequenceOf(&TICKET)),
]);
static AS_REQ: Grammar = Application(
    10,
    &[(1, true, VERSION), (2, true, Integer(10, 10)), (3, false, PADATA), (4, true, Encoded(&KDC_REQ_BODY))],
);
static TGS_REQ: Grammar = Application(
    12,
    &[(1, true, VERSION), (2, true, Integer(12, 12)), (3, false, PADATA), (4, true, Encoded(&KDC_REQ_BODY))],
);
static AS_REP: Grammar = Application(
    11,
    &[
        (0, true, VERSION),
        (1, true, Integer(11, 11)),
        (2, false, PADATA),
        (3, true, STRING),
        (4, true, NAME),
        (5, true, Encoded(&TICKET)),
        (6, true, ENCRYPTED),
    ],
);
static TGS_REP: Grammar = Application(
    13,
    &[
        (0, true, VERSION),
        (1, true, Integer(13, 13)),
        (2, false, PADATA),
        (3, true, STRING),
        (4, true, NAME),
        (5, true, Encoded(&TICKET)),
        (6, true, ENCRYPTED),
    ],
);
const ENC_KDC_REP_PART: &[(u8, bool, Grammar)] = &[
    (0, true, NUMBERED),
    (1, true, LAST_REQ),
    (2, true, UINT32),
    (3, false, Time),
    (4, true, Flags),
    (5, true, Time),
    (6, false, Time),
    (7, true, Time),
    (8, false, Time),
    (9, true, STRING),
    (10, true, NAME),
    (11, false, Unlooked),
    (12, false, PADATA),
];
static AP_REQ: Grammar = Application(
    14,
    &[
        (0, true, VERSION),
        (1, true, Integer(14, 14)),
        (2, true, Flags),
        (3, true, Encoded(&TICKET)),
        (4, true, ENCRYPTED),
    ],
);
static AP_REP: Grammar =
    Application(15, &[(0, true, VERSION), (1, true, Integer(15, 15)), (2, true, ENCRYPTED)]);
static ENC_AP_REP_PART: Grammar =
    Application(27, &[(0, true, Time), (1, true, Microseconds), (2, false, NUMBERED), (3, false, UINT32)]);
static KRB_ERROR: Grammar = Application(
    30,
    &[
        (0, true, VERSION),
        (1, true, Integer(30, 30)),
        (2, false, Time),
        (3, false, Microseconds),
        (4, true, Time),
        (5, true, Microseconds),
        (6, true, INT32),
        (7, false, STRING),
        (8, false, NAME),
        (9, true, STRING),
        (10, true, NAME),
        (11, false, Text(false)),
        (12, false, Octets),
    ],
);

/// The messages by the names that our own reader has for them. Those of two kinds have two lines in [`accepts`].
pub const MESSAGES: &[(&str, &[&Grammar])] = &[
    ("AP-REP", &[&AP_REP]),
    ("AP-REQ", &[&AP_REQ]),
    ("Authenticator", &[&AUTHENTICATOR]),
    ("AuthorizationData", &[&AUTHORIZATION_DATA]),
    (
        "ETYPE-INFO2",
        &[&SequenceOf(&Sequence(&[(0, true, INT32), (1, false, Text(false)), (2, false, Octets)]))],
    ),
    ("EncAPRepPart", &[&ENC_AP_REP_PART]),
    ("EncKDCRepPart", &[&Application(25, ENC_KDC_REP_PART), &Application(26, ENC_KDC_REP_PART)]),
    ("EncTicketPart", &[&ENC_TICKET_PART]),
    ("EncryptedData", &[&ENCRYPTED]),
    ("KDC-REP", &[&AS_REP, &TGS_REP]),
    ("KDC-REQ", &[&AS_REQ, &TGS_REQ]),
    ("KDC-REQ-BODY", &[&KDC_REQ_BODY]),
    ("KRB-ERROR", &[&KRB_ERROR]),
    ("PA-DATA", &[&PADATA]),
    ("PA-ENC-TS-ENC", &[&Sequence(&[(0, true, Time), (1, false, Microseconds)])]),
    ("Ticket", &[&TICKET]),
];

/// Whether these octets are a value of one of the grammars and nothing else.
pub fn accepts(grammars: &[&Grammar], input: &[u8]) -> bool {
    input.len() <= 65_536 && grammars.iter().any(|grammar| value(grammar, input) == Some(&[]))
}

/// What is behind the value at the beginning, if it is of this grammar.
fn value<'a>(grammar: &Grammar, input: &'a [u8]) -> Option<&'a [u8]> {
    let (tag, contents, rest) = split(input)?;
    let good = match grammar {
        Integer(low, high) => tag == 0x02 && integer(contents).is_some_and(|n| (*low..=*high).contains(&n)),
        Microseconds => tag == 0x02 && microseconds(contents),
        Octets => tag == 0x04,
        Text(utf8) => tag == 0x1b && (!utf8 || std::str::from_utf8(contents).is_ok()),
        Time => tag == 0x18 && time(contents),
        Flags => tag == 0x03 && bits(contents),
        Unlooked => tag == 0x30,
        SequenceOf(item) => tag == 0x30 && all(item, contents),
        Sequence(fields) => tag == 0x30 && record(fields, contents),
        Application(number, fields) => {
            let inner = split(contents);
            tag == 0x60 + number
                && inner.is_some_and(|(tag, contents, rest)| {
                    tag == 0x30 && rest.is_empty() && record(fields, contents)
                })
        }
        Encoded(grammar) => return value(grammar, input),
    };
    good.then_some(rest)
}

fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, input) = input.split_first()?;
    let (first, input) = input.split_first()?;
    let (length, input) = match first {
        0..=0x7f => (usize::from(*first), input),
        0x81 => (usize::from(*input.first()?), &input[1..]),
        0x82 | 0x83 => {
            let octets = input.get(..usize::from(first - 0x80))?;
            let length = octets.iter().fold(0, |length, octet| length * 256 + usize::from(*octet));
            (length, &input[octets.len()..])
        }
        _ => return None,
    };
    let shortest = match length {
        0..=0x7f => *first <= 0x7f,
        0x80..=0xff => *first == 0x81,
        0x100..=0xffff => *first == 0x82,
        _ => *first == 0x83,
    };
    let contents = input.get(..length).filter(|_| shortest && tag & 0x1f != 0x1f)?;
    Some((*tag, contents, &input[length..]))
}

fn all(item: &Grammar, mut contents: &[u8]) -> bool {
    while !contents.is_empty() {
        let Some(rest) = value(item, contents) else { return false };
        contents = rest;
    }
    true
}

fn record(fields: &[(u8, bool, Grammar)], mut contents: &[u8]) -> bool {
    for (number, required, grammar) in fields {
        match split(contents) {
            Some((tag, field, rest)) if tag == 0xa0 + number => {
                if value(grammar, field) != Some(&[]) {
                    return false;
                }
                contents = rest;
            }
            _ if *required => return false,
            _ => {}
        }
    }
    contents.is_empty()
}

fn integer(contents: &[u8]) -> Option<i128> {
    let spare = matches!(contents, [0, next, ..] if *next < 0x80)
        || matches!(contents, [0xff, next, ..] if *next > 0x7f);
    if spare || !(1..=8).contains(&contents.len()) {
        return None;
    }
    let number = contents.iter().fold(0_i128, |number, octet| number * 256 + i128::from(*octet));
    Some(if contents[0] > 0x7f { number - (1 << (8 * contents.len())) } else { number })
}

/// Up to four octets, with zeros in front or without.
fn microseconds(contents: &[u8]) -> bool {
    let mut octets = [0; 4];
    let Some(start) = 4_usize.checked_sub(contents.len()).filter(|start| *start < 4) else { return false };
    octets[start..].copy_from_slice(contents);
    contents[0] < 0x80 && u32::from_be_bytes(octets) < 1_000_000
}

fn bits(contents: &[u8]) -> bool {
    matches!(contents.split_first(), Some((0, _)))
        || matches!(contents.split_first(), Some((1..=7, rest)) if !rest.is_empty())
}

/// The years before 1970 are left out, as times are counted from then, and the leap second after the last year.
fn time(contents: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(contents).ok().and_then(|text| text.strip_suffix('Z')) else {
        return false;
    };
    if text.len() != 14 || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return false;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().expect("digits");
    let date = (1..=12).contains(&number(4, 6)) && (1..=31).contains(&number(6, 8));
    let years = number(0, 4) >= 1970 && text != "99991231235960";
    years && date && number(8, 10) < 24 && number(10, 12) < 60 && number(12, 14) <= 60
}
