//! Keystone, Magnum, Heat and Nova over HTTP, and with them the port [`Cloud`](crate::core::cloud::Cloud).
//!
//! From the wire inwards: [`transport`] carries one request, through a [`proxy`] or not; [`request`] tries it, with a time-out, again where that
//! is safe; [`session`] logs in and adds the token; [`magnum`], [`heat`] and [`nova`] know the calls; [`members`] makes
//! one picture of what Heat and Nova say of a group; [`cluster`] decides what has to be read, and reads it. What the
//! services link to is never followed: a URL is always made from the catalog's endpoint, since links may point to
//! hosts that only the cloud itself reaches.

pub mod catalog;
pub mod cluster;
mod diagnosis;
pub mod error_body;
mod flavors;
mod group_reading;
pub mod heat;
pub mod keystone;
pub mod magnum;
pub mod members;
mod memory;
mod node_labels;
pub mod nova;
mod observation;
mod paging;
pub mod proxy;
pub mod request;
pub mod secrets;
mod selection;
pub mod session;
pub mod stacks;
mod template_sources;
mod tls;
pub mod transport;

pub use cluster::MagnumCluster;
pub use request::{RequestObserver, Timeouts};
pub use session::Session;
pub use transport::{HttpTransport, RouterTransport, Transport};
