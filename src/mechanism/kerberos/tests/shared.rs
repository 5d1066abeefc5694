//! What many logins at once have in common.
