//! What a tunnel takes of the heap while nothing moves in it.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::*;

/// The system's allocator, which counts the octets that each thread has taken and not given back.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` as it came; counting allocates nothing and cannot unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.set(IN_USE.get().wrapping_add_unsigned(layout.size()));
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        IN_USE.set(IN_USE.get().wrapping_sub_unsigned(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

/// Of the heap, for each.
const MOST: isize = 1536;

#[test]
#[cfg_attr(windows, ignore = "wine takes minutes for a thousand logins by the system")]
fn an_idle_tunnel_takes_a_kibibyte_and_a_half_of_the_heap_at_the_most() {
    // Programs, upstream proxy and origin have threads of their own: this one is the gateway's.
    let others = tokio::runtime::Runtime::new().expect("a runtime");
    let upstream = others.block_on(upstream(Offer::Ntlm).start()).expect("a server");
    let origin = others.block_on(echo());
    let gateway = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    gateway.block_on(async {
        let proxy = Arc::new(Running::in_front_of(&upstream).await);
        let open = |count: usize| {
            let proxy = Arc::clone(&proxy);
            let opening = others.spawn(async move {
                let mut tunnels = Vec::new();
                for _ in 0..count {
                    let mut tunnel = proxy.tunnel(origin).await;
                    echoes(&mut tunnel, "something moves").await;
                    tunnels.push(tunnel);
                }
                tunnels
            });
            async { opening.await.expect("no panic") }
        };
        // What is there once for all of them.
        let first = open(32).await;
        let before = IN_USE.get();
        let count = as_many_as_the_descriptors_allow(1_024);
        let tunnels = open(count).await;
        let each = (IN_USE.get() - before) / count as isize;
        println!("{each} octets for each of {count} tunnels");
        assert!(each > 0 && each <= MOST, "{each} octets for each of {count} tunnels");
        drop((first, tunnels));
    });
}
