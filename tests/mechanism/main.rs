//! One suite for every mechanism: our own, and those of the system, through the same trait.
//!
//! | | ours | GSS-API | SSPI |
//! |---|---|---|---|
//! | runs | everywhere | on unix, with the lab (`tests/run`) | on Windows |
//! | the peer | the embedded server's acceptors | Apache | the same acceptors as for ours, and SSPI's own |

#[cfg(unix)]
mod gssapi;
mod ours;
#[cfg(windows)]
mod sspi;
mod suite;
