//! In which settings the model is gone through, and how.

use std::collections::HashMap;

use super::*;
use crate::protection_space::Challenger;

impl Setting {
    /// Goes through all that can come within so many steps. Tells how many worlds there are.
    fn explore(&self) -> Result<usize, Violation> {
        let credentials = Credentials::password("carol", "pw");
        let spaces: Vec<_> = (0..self.spaces)
            .map(|number| format!("http://host{number}.example").parse().expect("an origin"))
            .map(|origin| ProtectionSpace::new(Challenger::Origin, origin, None))
            .collect();
        let mut world = World {
            setting: self,
            credentials: &credentials,
            spaces: &spaces,
            verdicts: Verdicts::new(self.bounds.clone()),
            now: Instant::now(),
            is_wrong: self.password == Password::Wrong && !self.accepted,
            requests: [const { Request::Idle }; REQUESTS],
            seen: Seen { is_alone: true, ..Seen::default() },
        };
        if self.accepted {
            for space in 0..self.spaces {
                world.take(Step::Ask(space, "/", true)).expect("it may go");
                world.end(space, Evidence::Proven);
            }
        }
        world.is_wrong = self.password == Password::Wrong;
        let mut visited = HashMap::new();
        descend(&world, self.depth, &mut visited)?;
        Ok(visited.len())
    }
}

/// Depth first. A world is gone through again where more steps are left than there were.
fn descend(world: &World<'_>, depth: usize, visited: &mut HashMap<u64, usize>) -> Result<(), Violation> {
    for step in world.steps() {
        let mut next = world.clone();
        let came = next.take(step);
        let deeper = came.map_err(|what| Violation { what, steps: Vec::new() }).and_then(|()| {
            let left = visited.entry(next.shape()).or_insert(0);
            if *left >= depth {
                return Ok(());
            }
            let is_new = std::mem::replace(left, depth) == 0;
            if is_new {
                let holds = next.clone().check_served().and_then(|()| next.clone().check_nothing_leaks());
                holds.map_err(|what| Violation { what, steps: Vec::new() })?;
            }
            if depth > 1 { descend(&next, depth - 1, visited) } else { Ok(()) }
        });
        deeper.map_err(|mut violation| {
            violation.steps.push(step);
            violation
        })?;
    }
    Ok(())
}

fn never_accepted() -> Setting {
    Setting {
        name: "wrong, never accepted",
        bounds: LockoutBounds::default(),
        spaces: 1,
        accepted: false,
        password: Password::Wrong,
        paths: &["/"],
        right: &[],
        wrong: &[Refused, Undecided, Nothing],
        more: 0,
        is_always_fresh: false,
        depth: 7,
    }
}

fn never_accepted_anywhere() -> Setting {
    Setting { name: "wrong, never accepted, three spaces", spaces: 3, depth: 5, ..never_accepted() }
}

/// It changes under way, and each refusal is strong.
fn changed() -> Setting {
    Setting {
        name: "changed, on known paths",
        accepted: true,
        password: Password::Changes,
        right: &[Proven, Nothing],
        wrong: &[Refused, Nothing],
        more: 1,
        depth: 7,
        ..never_accepted()
    }
}

fn changed_on_new_paths() -> Setting {
    Setting { name: "changed, on new paths", paths: &["/new"], more: 2, ..changed() }
}

fn changed_everywhere() -> Setting {
    Setting { name: "changed, three spaces", spaces: 3, depth: 5, ..changed() }
}

/// It has changed, and nobody answers.
fn changed_and_silent() -> Setting {
    Setting {
        name: "changed, and no answer comes",
        password: Password::Wrong,
        wrong: &[Undecided, Nothing],
        more: 2,
        depth: 7,
        ..changed()
    }
}

/// It has changed, and the answers are of all kinds.
fn changed_and_mixed() -> Setting {
    Setting {
        name: "changed, with any end",
        password: Password::Wrong,
        paths: &["/", "/new"],
        wrong: &[Refused, RefusedWeakly, Undecided],
        more: 2,
        depth: 5,
        ..changed()
    }
}

/// It is right, and whatever happens it is served.
fn right() -> Setting {
    Setting {
        name: "right, with any end",
        password: Password::Right,
        paths: &["/", "/new"],
        right: &[Proven, LetThrough, Refused, RefusedWeakly, Undecided, Nothing],
        wrong: &[],
        depth: 4,
        ..changed()
    }
}

fn right_never_accepted() -> Setting {
    Setting { name: "right, never accepted", accepted: false, ..right() }
}

/// Goes through all settings, so many steps deeper than they are.
fn explore_all(deeper: usize) {
    let settings = [
        never_accepted(),
        never_accepted_anywhere(),
        changed(),
        changed_on_new_paths(),
        changed_everywhere(),
        changed_and_silent(),
        changed_and_mixed(),
        right(),
        right_never_accepted(),
    ];
    let mut violations = Vec::new();
    for mut setting in settings {
        setting.depth += deeper;
        let (name, depth, start) = (setting.name, setting.depth, Instant::now());
        match setting.explore() {
            Ok(worlds) => println!("{name}: {worlds} states, {depth} steps, {:.1?}", start.elapsed()),
            Err(violation) => violations.push((name, violation)),
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn the_bounds_hold_in_every_interleaving() {
    explore_all(0);
}

#[test]
#[ignore = "it takes minutes"]
fn the_bounds_hold_deeper_down() {
    explore_all(1);
}

#[test]
fn a_bound_that_is_taken_out_is_missed() {
    let bounded = |setting: Setting, change: fn(&mut LockoutBounds)| {
        let mut setting = setting;
        change(&mut setting.bounds);
        setting
    };
    let faults = [
        ("unproven", bounded(never_accepted_anywhere(), |bounds| bounds.unproven = u32::MAX)),
        ("strong_refusals", bounded(changed(), |bounds| bounds.strong_refusals = u32::MAX)),
        ("refusals", bounded(changed_on_new_paths(), |bounds| bounds.refusals = u32::MAX)),
        ("undecided", bounded(never_accepted(), |bounds| bounds.undecided = u32::MAX)),
        ("undecided_accepted", bounded(changed_and_silent(), |bounds| bounds.undecided_accepted = u32::MAX)),
        ("strong_pauses", bounded(changed(), |bounds| bounds.strong_pauses.clear())),
        ("weak_pauses", bounded(changed_on_new_paths(), |bounds| bounds.weak_pauses.clear())),
        ("undecided_pauses", bounded(changed_and_silent(), |bounds| bounds.undecided_pauses.clear())),
        ("no unanswered", bounded(changed(), |bounds| bounds.unanswered = Duration::ZERO)),
        ("endless unanswered", bounded(right(), |bounds| bounds.unanswered = Duration::MAX)),
        ("quiet", bounded(changed(), |bounds| bounds.quiet = Duration::MAX)),
        ("patience", bounded(never_accepted_anywhere(), |bounds| bounds.patience = Duration::MAX)),
        ("what was known", Setting { is_always_fresh: true, ..changed() }),
    ];
    for (name, setting) in faults {
        let violation = setting.explore().expect_err(name);
        println!("{name}: {violation:?}");
    }
}
