//! Keystone, Magnum, Heat and Nova over HTTP, and with them the port [`Cloud`](crate::core::cloud::Cloud).
//!
//! From the wire inwards: [`transport`] carries one request, through a [`proxy`] or not; [`request`] tries it, with a time-out, again where that
//! is safe; [`session`] logs in and adds the token; [`magnum`] and [`nova`] know the calls; a [`driver`] knows
//! who the members of a group are and how it is resized; [`cluster`] decides what has to be read, and reads it. What the
//! services link to is never followed: a URL is always made from the catalog's endpoint, since links may point to
//! hosts that only the cloud itself reaches.

mod cache;
pub mod catalog;
pub mod cluster;
mod diagnosis;
pub mod driver;
pub mod error_body;
pub mod failures;
mod flavors;
pub mod keystone;
pub mod magnum;
mod node_labels;
pub mod nova;
mod observation;
mod paging;
pub mod proxy;
mod reading;
pub mod request;
pub mod secrets;
mod selection;
pub mod session;
mod template_sources;
mod tls;
pub mod transport;

pub use cluster::MagnumCluster;
pub use request::{RequestObserver, Timeouts};
pub use session::Session;
pub use transport::{HttpTransport, Transport, TransportError};
