//! The client over hyper, with connectors that hyper-util's legacy client takes, and proxies.

mod builder;
mod route;
