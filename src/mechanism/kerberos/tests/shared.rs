//! Many logins at once: one gets a ticket, and the others wait for it.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::world::*;
use crate::credentials::{Credentials, Secret};
use crate::mechanism::kerberos::Kerberos;
use crate::mechanism::kerberos::exchange::Carried;
use crate::mechanism::kerberos::exchange::tests::kdc::error;
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::messages::krb_error::{
    KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, KRB_AP_ERR_TKT_EXPIRED,
};
use crate::mechanism::{ErrorKind, Initiate, Mechanism, MechanismError, Proves};

/// So many that wait.
fn waiting(world: &mut World, mechanism: &dyn Mechanism, targets: &[&str]) -> Vec<Login> {
    targets
        .iter()
        .map(|target| {
            let login = world.begin(mechanism, to(target)).expect("something to do");
            assert!(matches!(login, Login::Waits(..)));
            login
        })
        .collect()
}

/// What their waits have come to, and what they do next.
fn look_again(world: &mut World, waiting: Vec<Login>) -> Vec<Result<Login, MechanismError>> {
    let woken = Arc::new(Woken::default());
    let told = waiting.into_iter().map(|login| {
        let (mut awaited, context) = login.waits();
        let Poll::Ready(outcome) = poll(&mut awaited, &woken) else { panic!("nobody has ended") };
        world.tell(context, outcome.map(|()| Vec::new()))
    });
    told.collect()
}

#[test]
fn sixty_four_logins_take_one_first_ticket_and_one_for_each_service() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let targets: Vec<_> = (0..63).map(|index| if index % 2 == 0 { WWW } else { WIKI }).collect();
    let mut leader = world.begin(&kerberos, to(WWW));
    let mut others: Vec<_> = waiting(&mut world, &kerberos, &targets).into_iter().map(Ok).collect();
    let woken = Arc::new(Woken::default());
    let (mut shown, mut rounds) = (0, 0);
    while shown < 64 {
        rounds += 1;
        assert!(rounds < 10, "{shown} logins are through");
        // Whoever asks the KDC gets one answer, and so on until nobody asks.
        others.push(leader);
        let mut next = Vec::new();
        for login in others {
            match login.expect("no login fails") {
                Login::Asks(inquiry, context) => {
                    let answer = world.answer(&inquiry.message);
                    next.push(world.tell(context, Ok(answer)));
                }
                Login::Waits(mut awaited, context) => match poll(&mut awaited, &woken) {
                    Poll::Ready(outcome) => next.push(world.tell(context, outcome.map(|()| Vec::new()))),
                    Poll::Pending => next.push(Ok(Login::Waits(awaited, context))),
                },
                Login::Sends { token, context, .. } => {
                    let accepted = world.accept(&token, Carried::Kerberos);
                    context.step(accepted.token.as_deref()).expect("a login");
                    shown += 1;
                }
                Login::Done(..) => panic!("it proves the server"),
            }
        }
        leader = match next.pop() {
            Some(last) => last,
            None => break,
        };
        others = next;
    }
    assert_eq!((shown, world.counted()), (64, (2, 2)));
    assert!(woken.times() > 0);
}

#[test]
fn those_who_wait_are_woken_when_there_is_a_ticket() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let leader = world.begin(&kerberos, to(WWW));
    let (mut awaited, context) = world.begin(&kerberos, to(WWW)).expect("a wait").waits();
    let woken = Arc::new(Woken::default());
    assert!(poll(&mut awaited, &woken).is_pending());
    assert!(poll(&mut awaited, &woken).is_pending());
    assert_eq!(woken.times(), 0);
    world.ask(leader).expect("a token").sends();
    assert_eq!(woken.times(), 1, "the first ticket is there");
    assert_eq!(poll(&mut awaited, &woken), Poll::Ready(Ok(())));
    world.tell(context, Ok(Vec::new())).expect("a token").sends();
    assert_eq!(world.counted(), (2, 1));
}

#[test]
fn where_the_leader_fails_all_fail_at_once() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let (_, leader) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
    let others = waiting(&mut world, &kerberos, &[WWW, WIKI, WWW]);
    assert_eq!(failed(world.tell(leader, silent())).kind(), ErrorKind::Unavailable);
    for login in look_again(&mut world, others) {
        assert_eq!(failed(login).to_string(), "no KDC answers");
    }
    // Who comes later asks again.
    world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
}

#[test]
fn a_password_that_is_refused_was_shown_once_for_all() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.alice().password = Secret::new("changed-pw");
    let leader = world.begin(&kerberos, to(WWW));
    let mut others = waiting(&mut world, &kerberos, &[WWW, WIKI]);
    others.extend(waiting(&mut world, &kerberos.iakerb(), &[WWW, WIKI]));
    assert_eq!(failed(world.ask(leader)).kind(), ErrorKind::WrongPassword);
    for login in look_again(&mut world, others) {
        assert_eq!(failed(login).kind(), ErrorKind::WrongPassword);
    }
    assert_eq!(world.kdc.alice().failures, 1);
}

#[test]
fn where_the_first_ticket_is_refused_to_many_one_gets_another() {
    for is_changed in [true, false] {
        let (mut world, kerberos) = (World::new(), kerberos());
        let login = world.begin(&kerberos, to("HTTP/www.lab.test"));
        world.ask(login).expect("a token").sends();
        if is_changed {
            world.kdc.alice().password = Secret::new("changed-pw");
        }
        let refused = error(KRB_AP_ERR_TKT_EXPIRED, None, world.now);
        let targets: Vec<_> = (0..10).map(|host| format!("HTTP/host{host}.lab.test")).collect();
        let asking: Vec<_> = targets
            .iter()
            .map(|target| world.begin(&kerberos, to(target)).expect("an inquiry").asks())
            .collect();
        let mut told = asking.into_iter().map(|(inquiry, context)| {
            assert_eq!(inquiry.proves, Proves::Ticket { is_new: false });
            context
        });
        let leader = told.next().expect("one");
        let leader = world.tell(leader, Ok(refused.clone()));
        let others: Vec<_> =
            told.map(|context| world.tell(context, Ok(refused.clone())).expect("a wait")).collect();
        assert!(others.iter().all(|login| matches!(login, Login::Waits(..))));
        let error = failed(world.ask(leader));
        let expected = if is_changed { ErrorKind::WrongPassword } else { ErrorKind::Credentials };
        assert_eq!(error.kind(), expected, "no such service, or");
        for login in look_again(&mut world, others) {
            match is_changed {
                true => assert_eq!(failed(login).kind(), ErrorKind::WrongPassword),
                // Nor is another one got, where that is refused, too.
                false => {
                    let (inquiry, context) = login.expect("an inquiry").asks();
                    assert_eq!(inquiry.proves, Proves::Ticket { is_new: false });
                    let error = failed(world.tell(context, Ok(refused.clone())));
                    assert_eq!(error.kind(), ErrorKind::TicketRefused);
                }
            }
        }
        assert_eq!(world.kdc.alice().failures, usize::from(is_changed));
    }
}

#[test]
fn where_the_leader_is_dropped_the_next_one_leads() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let leader = world.begin(&kerberos, to(WWW));
    let others = waiting(&mut world, &kerberos, &[WWW, WIKI]);
    drop(leader);
    let mut next = look_again(&mut world, others).into_iter();
    let leader = next.next().expect("one");
    assert!(matches!(leader, Ok(Login::Asks(..))));
    let follower = next.next().expect("two").expect("a wait");
    assert!(matches!(follower, Login::Waits(..)));
    // In the middle of the second exchange, too.
    let (inquiry, context) = leader.expect("an inquiry").asks();
    let answer = world.answer(&inquiry.message);
    let (inquiry, context) = world.tell(context, Ok(answer)).expect("an inquiry").asks();
    let answer = world.answer(&inquiry.message);
    let (inquiry, context) = world.tell(context, Ok(answer)).expect("an inquiry").asks();
    assert_eq!(inquiry.proves, Proves::Ticket { is_new: true });
    let others = waiting(&mut world, &kerberos, &[WWW]);
    drop(context);
    let (inquiry, _) = look_again(&mut world, others).remove(0).expect("an inquiry").asks();
    assert_eq!(inquiry.proves, Proves::Ticket { is_new: false });
}

#[test]
fn nobody_waits_longer_than_a_while_for_a_leader_that_is_kept_and_not_gone_on_with() {
    for is_held in [false, true] {
        let (mut world, kerberos) = (World::new(), kerberos());
        if is_held {
            let login = world.begin(&kerberos, to(WIKI));
            world.ask(login).expect("a token").sends();
        }
        let kept = world.begin(&kerberos, to(WWW)).expect("an inquiry");
        let waiting = waiting(&mut world, &kerberos, &[WWW, WWW]);
        world.wait(Duration::from_secs(20));
        let mut next = waiting.into_iter().map(|login| {
            let (_, context) = login.waits();
            world.tell(context, Ok(Vec::new())).expect("something to do")
        });
        let (leader, other) = (next.next().expect("one"), next.next().expect("two"));
        assert!(matches!(other, Login::Waits(..)));
        world.ask(Ok(leader)).expect("a token").sends();
        // It may still come to its end.
        world.ask(Ok(kept)).expect("a token").sends();
        world.begin(&kerberos, to(WWW)).expect("a token").sends();
    }
}

#[test]
fn by_iakerb_those_at_one_server_wait_for_its_first_login() {
    let (mut world, iakerb) = (World::new(), Kerberos::new().iakerb());
    let mut leader = world.begin(&iakerb, to(WWW)).expect("a token");
    let others = waiting(&mut world, &iakerb, &[WWW, WWW]);
    for _ in 0..3 {
        let (token, _, _, context) = leader.sends();
        let answer = world.relay(&token);
        leader = Login::of(context.step(Some(&answer)).expect("a token"));
    }
    for login in look_again(&mut world, others) {
        let (token, ..) = login.expect("a token").sends();
        world.accept(&token, Carried::Iakerb(&[]));
    }
    assert_eq!(world.counted(), (2, 1));
}

#[test]
fn a_password_that_was_never_taken_is_shown_by_one_server_at_a_time() {
    let (mut world, iakerb) = (World::new(), Kerberos::new().iakerb());
    let (token, _, _, context) = world.begin(&iakerb, to(WWW)).expect("a token").sends();
    let others = waiting(&mut world, &iakerb, &[WWW, WIKI]);
    // This server has no KDC: that is its own affair.
    drop(token);
    let header = IakerbHeader { target_realm: "LAB.TEST".to_owned(), cookie: None };
    let answer = header.token(&error(KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, None, world.now));
    context.step(Some(&answer)).expect_err("no KDC");
    let mut next = look_again(&mut world, others).into_iter();
    assert_eq!(failed(next.next().expect("one")).kind(), ErrorKind::Unavailable);
    next.next().expect("two").expect("a token").sends();
}

#[test]
fn a_password_that_was_taken_waits_for_no_other_server() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(36_000));
    let slow = world.begin(&kerberos.iakerb(), to(WWW)).expect("a token");
    world.begin(&kerberos.iakerb(), to(WIKI)).expect("a token").sends();
    world.begin(&kerberos, to(WIKI)).expect("an inquiry").asks();
    drop(slow);
}

#[test]
fn a_servers_word_is_none_for_who_asks_the_kdc() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.alice().password = Secret::new("changed-pw");
    let (token, _, _, context) = world.begin(&kerberos.iakerb(), to(WWW)).expect("a token").sends();
    let direct = waiting(&mut world, &kerberos, &[WWW]);
    let relayed = waiting(&mut world, &kerberos.iakerb(), &[WIKI]);
    let answer = world.relay(&token);
    let (token, _, _, context) = Login::of(context.step(Some(&answer)).expect("a token")).sends();
    let answer = world.relay(&token);
    context.step(Some(&answer)).expect_err("a refusal");
    look_again(&mut world, direct).remove(0).expect("an inquiry").asks();
    let refused = failed(look_again(&mut world, relayed).remove(0));
    assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, true));
}

#[test]
fn what_is_kept_is_bounded() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.kdc.alice().password = Secret::new("changed-pw");
    let refused = Initiate::new(WWW, Credentials::password("alice@LAB.TEST", "bob-pw"));
    let login = world.begin(&kerberos, refused.clone());
    failed(world.ask(login));
    for user in 0..2_000 {
        let arguments = Initiate::new(WWW, Credentials::password(format!("user{user}@LAB.TEST"), "pw"));
        drop(world.begin(&kerberos, arguments));
    }
    let error = failed(world.begin(&kerberos, refused));
    assert_eq!(error.kind(), ErrorKind::WrongPassword, "refusals go last");
    world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
}
