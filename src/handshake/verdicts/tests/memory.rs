//! What the table keeps, and how much of it.

use super::table::{MAX_OCTETS, MAX_OCTETS_OF_ORIGIN};
use super::*;
use crate::protection_space::Realm;

fn realm(number: usize, length: usize) -> ProtectionSpace {
    let realm = Realm::from(format!("{number:0length$}").as_str());
    ProtectionSpace { realm: Some(realm), ..space(ORIGIN) }
}

fn touch(verdicts: &mut Verdicts, credentials: &Credentials, space: &ProtectionSpace, path: &str) {
    let _ = verdicts.has_challenged(credentials, space, &Method::GET, path);
}

#[test]
fn one_origin_takes_no_more_than_its_share_and_all_no_more_than_there_is() {
    let (mut requests, now) = (Requests::new(), Instant::now());
    let carol = requests.credentials.clone();
    for number in 0..2000 {
        let space = realm(number, 1024);
        touch(&mut requests.verdicts, &carol, &space, "/");
        assert!(requests.verdicts.table.octets() <= MAX_OCTETS_OF_ORIGIN);
    }
    let kept = requests.verdicts.table.queued().0;
    assert!((20..64).contains(&kept), "{kept} of a kibibyte and more");
    for number in 0..10_000 {
        let space = space(&format!("http://host{number}.example"));
        let asking = Asking {
            credentials: &carol,
            space: &space,
            method: &Method::GET,
            path: "/",
            speaks_first: false,
            disturbs_others: false,
            may_ask_kdc: false,
            waits_since: None,
        };
        requests.verdicts.ask(&asking, now);
        assert!(requests.verdicts.table.octets() <= MAX_OCTETS);
    }
    let kept = requests.verdicts.table.queued().0;
    assert!((600..2000).contains(&kept), "{kept} of half a kibibyte and more");
    assert_eq!(requests.verdicts.table.origins(), kept, "each has one");
}

#[test]
fn what_is_kept_is_counted_with_its_names_and_secrets() {
    let octets = |credentials: &Credentials, space: &ProtectionSpace| {
        let mut verdicts = Requests::new().verdicts;
        touch(&mut verdicts, credentials, space, "/");
        verdicts.table.octets()
    };
    let (user, host, long) = (Credentials::password("u", "p"), space("http://a"), "x".repeat(101));
    let least = octets(&user, &host);
    assert!((500..2000).contains(&least), "{least}: thirty of them at least have room in an origin's share");
    assert_eq!(octets(&Credentials::password(&*long, "p"), &host), least + 100);
    assert_eq!(octets(&Credentials::password("u", &*long), &host), least + 100);
    assert_eq!(octets(&Credentials::bearer_token(&*long), &host), least - 2 + 101);
    assert_eq!(octets(&user, &space(&format!("http://{long}"))), least + 100);
    let realm = Some(Realm::from(&*long));
    assert_eq!(octets(&user, &ProtectionSpace { realm, ..host.clone() }), least + 101);
    // And with its targets: what was accepted, and what has challenged.
    let mut requests = Requests::new();
    let mut octets = (0..=100).map(|path| {
        requests.end(ORIGIN, &format!("/{path}"), Evidence::Proven);
        requests.verdicts.table.octets()
    });
    let (first, last) = (octets.next().expect("one"), octets.last().expect("a hundred"));
    assert!(last - first >= 2 * 90 * size_of::<Target>(), "{first} and {last}");
}

#[test]
fn a_hostile_origin_makes_nobody_forget_what_stands() {
    let mut requests = Requests::accepted();
    for number in 0..100 {
        let origin = format!("http://good{number}.example");
        requests.end(&origin, "/", Evidence::Proven);
    }
    let mallory = Credentials::password("mallory", "wrong");
    let carol = std::mem::replace(&mut requests.credentials, mallory);
    requests.end("http://good0.example", "/", Evidence::Refused);
    for number in 0..5000 {
        touch(&mut requests.verdicts, &carol, &realm(number, 1000), "/");
    }
    assert_eq!(requests.told("http://good0.example", "/"), Told::Refused);
    requests.credentials = carol;
    for number in 0..100 {
        let origin = format!("http://good{number}.example");
        assert_eq!(requests.end(&origin, "/", Evidence::Refused), RefusalVerdict::Refused, "{number}");
        requests.verdicts.forget_refusals();
    }
}

#[test]
fn refusals_pauses_and_whether_they_were_accepted_go_last() {
    let users = ["refused", "paused", "accepted", "tried", "unanswered", "locked", "locked by a KDC"];
    let users = users.map(|name| Credentials::password(name, "pw"));
    let mut requests = Requests::new();
    let mut trials = Vec::new();
    for user in &users {
        requests.credentials = user.clone();
        match user.as_password().expect("a password").0 {
            "refused" => drop(requests.end(ORIGIN, "/", Evidence::Refused)),
            "paused" => {
                requests.end(ORIGIN, "/", Evidence::Undecided);
                requests.end(ORIGIN, "/", Evidence::Undecided);
            }
            "accepted" => drop(requests.end(ORIGIN, "/", Evidence::Proven)),
            "unanswered" => drop(requests.end(ORIGIN, "/", Evidence::Undecided)),
            "locked" => drop(requests.end(ORIGIN, "/", Evidence::SaidToBeLocked)),
            "locked by a KDC" => drop(requests.end(ORIGIN, "/", Evidence::Locked)),
            _ => trials.push(requests.send(ORIGIN, "/")),
        }
    }
    for number in 0..20_000 {
        let other = Credentials::password(format!("user{number}"), "pw");
        touch(&mut requests.verdicts, &other, &space(&format!("http://o{}.example", number % 50)), "/");
        touch(&mut requests.verdicts, &other, &space(ORIGIN), "/");
    }
    // Of what was left without an answer once, a second time begins a pause.
    requests.credentials = users[4].clone();
    requests.end(ORIGIN, "/", Evidence::Undecided);
    let accepted = users[2].clone();
    let told = users.map(|user| {
        requests.credentials = user;
        requests.told(ORIGIN, "/")
    });
    assert_eq!(told[..4], [Told::Refused, Paused(PauseCause::Unanswered, 30), Go, Wait(5)]);
    assert_eq!(told[4], Paused(PauseCause::Unanswered, 30));
    assert_eq!(told[5..], [const { Paused(PauseCause::Locked, 15 * 60) }; 2]);
    requests.credentials = accepted;
    let _out = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Go, "what was accepted goes beside another");
    assert!(requests.verdicts.table.queued().0 > 100, "there was room for some");
}

#[test]
fn a_million_uses_leave_the_queues_short() {
    let mut requests = Requests::accepted();
    let carol = requests.credentials.clone();
    let spaces: Vec<_> = (0..20).map(|number| realm(number, 8)).collect();
    for use_ in 0..1_000_000 {
        // Neighbours in turn, so that no use is of what was used last.
        touch(&mut requests.verdicts, &carol, &spaces[use_ * 7 % spaces.len()], "/");
    }
    let (spaces, queued) = requests.verdicts.table.queued();
    assert!(queued <= 2 * spaces + 16, "{queued} entries of {spaces} spaces");
}

#[test]
fn a_use_adds_one_entry_and_that_of_what_was_used_last_none() {
    let mut requests = Requests::new();
    let carol = requests.credentials.clone();
    let spaces: Vec<_> = (0..100).map(|number| realm(number, 8)).collect();
    for space in &spaces {
        touch(&mut requests.verdicts, &carol, space, "/");
    }
    for (space, added) in
        [(&spaces[99], 0), (&spaces[98], 0), (&spaces[0], 1), (&spaces[0], 0), (&spaces[50], 1)]
    {
        let before = requests.verdicts.table.queued().1;
        touch(&mut requests.verdicts, &carol, space, "/");
        assert_eq!(requests.verdicts.table.queued().1 - before, added);
    }
}

#[test]
fn many_paths_take_no_more_than_a_share() {
    let mut requests = Requests::accepted();
    for number in 0..10_000 {
        requests.end(ORIGIN, &format!("/{number}"), Evidence::Proven);
    }
    assert!(requests.verdicts.table.octets() < MAX_OCTETS_OF_ORIGIN / 2);
    assert_eq!(requests.end(ORIGIN, "/9900", Evidence::Refused), RefusalVerdict::Refused);
}

#[test]
fn a_place_that_another_space_has_got_tells_nothing_of_the_one_before() {
    let mut table = Requests::new().verdicts.table;
    let users: Vec<_> = (0..7).map(|number| Credentials::password(format!("user{number}"), "pw")).collect();
    let realms: Vec<_> = (0..13).map(|number| realm(number, 1000)).collect();
    let (mut made, mut random) = (0, 1_u64);
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let number = (random >> 33) as usize;
        let (user, realm) = (number % users.len(), number / 8 % realms.len());
        let own = Target::of(&Method::GET, &format!("/{user}/{realm}"));
        table.with(&users[user], &realms[realm], |account, space| {
            assert!([0, user as u32].contains(&account.unproven_out), "another's account");
            account.unproven_out = user as u32;
            let is_new = space.challenged.octets() == 0;
            assert!(is_new || space.challenged.contains(own), "another space");
            space.challenged.note(own);
            made += usize::from(is_new);
        });
        assert!(table.octets() <= MAX_OCTETS_OF_ORIGIN);
    }
    assert!((1000..19_000).contains(&made), "{made} were made: some are kept, some go");
}

#[test]
fn the_queues_are_short_after_much_was_dropped_at_once() {
    let mut requests = Requests::accepted();
    let carol = requests.credentials.clone();
    for number in 0..60 {
        touch(&mut requests.verdicts, &carol, &realm(number, 8), "/");
    }
    let large = realm(100, MAX_OCTETS_OF_ORIGIN - 2000);
    for use_number in 0..200 {
        touch(&mut requests.verdicts, &carol, &large, "/");
        touch(&mut requests.verdicts, &carol, &realm(101, 8), "/");
        let (spaces, uses) = requests.verdicts.table.queued();
        assert!(spaces < 10 && uses <= 2 * spaces + 17, "{use_number}: {uses} of {spaces}");
    }
}

#[test]
fn another_use_of_a_quarter_of_all_adds_nothing_to_the_queues() {
    let mut requests = Requests::accepted();
    let carol = requests.credentials.clone();
    for number in 0..39 {
        touch(&mut requests.verdicts, &carol, &realm(number, 8), "/");
    }
    let queued = requests.verdicts.table.queued();
    assert_eq!(queued.0, 40);
    for number in 29..39 {
        touch(&mut requests.verdicts, &carol, &realm(number, 8), "/");
    }
    assert_eq!(requests.verdicts.table.queued(), queued);
    touch(&mut requests.verdicts, &carol, &realm(0, 8), "/");
    assert_eq!(requests.verdicts.table.queued(), (40, queued.1 + 1));
}

#[test]
fn all_that_there_is_may_be_kept() {
    let mut verdicts = Requests::new().verdicts;
    let carol = Credentials::password("carol", "pw");
    let with_realm = |number: usize, length: usize| ProtectionSpace {
        realm: Some(Realm::from("x".repeat(length).as_str())),
        ..space(&format!("http://host{number:05}.example"))
    };
    touch(&mut verdicts, &carol, &with_realm(0, 1), "/");
    let each = verdicts.table.octets();
    let count = MAX_OCTETS / each;
    for number in 1..count - 1 {
        touch(&mut verdicts, &carol, &with_realm(number, 1), "/");
    }
    let left = MAX_OCTETS - verdicts.table.octets();
    touch(&mut verdicts, &carol, &with_realm(count, 1 + left - each), "/");
    assert_eq!((verdicts.table.octets(), verdicts.table.origins()), (MAX_OCTETS, count));
    touch(&mut verdicts, &carol, &with_realm(count + 1, 1), "/");
    assert_eq!((verdicts.table.octets(), verdicts.table.origins()), (MAX_OCTETS, count));
}
