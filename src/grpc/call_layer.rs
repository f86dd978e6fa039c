//! What surrounds each call: metrics, a line in the log, and a panic that ends only this call.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{debug, error};

use super::{method::Method, status::code_label};

/// Is told of each call, for metrics.
pub trait CallObserver: Send + Sync + 'static {
    /// A call came in.
    fn call_started(&self, method: Method);
    /// A call was answered, or given up by its caller (`Canceled`).
    fn call_handled(&self, method: Method, code: &'static str, elapsed: Duration);
    /// A call ended in a panic: a bug of this service.
    fn call_panicked(&self, method: Method);
}

/// Puts [`ObservedCalls`] around a service.
#[derive(Clone)]
pub struct CallLayer {
    observer: Arc<dyn CallObserver>,
}

impl CallLayer {
    /// A layer that tells the observer of each call.
    #[must_use]
    pub fn new(observer: Arc<dyn CallObserver>) -> Self {
        Self { observer }
    }
}

impl fmt::Debug for CallLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = ObservedCalls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObservedCalls { inner, observer: Arc::clone(&self.observer) }
    }
}

/// A service whose calls are observed and whose panics become INTERNAL.
#[derive(Clone)]
pub struct ObservedCalls<S> {
    inner: S,
    observer: Arc<dyn CallObserver>,
}

impl<S> fmt::Debug for ObservedCalls<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedCalls").finish_non_exhaustive()
    }
}

impl<S> Service<Request<Body>> for ObservedCalls<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = Call::start(Method::of(request.uri().path()), Arc::clone(&self.observer));
        let answer = self.inner.call(request);
        Box::pin(async move {
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => {
                    call.handled(code_of(&response));
                    Ok(response)
                }
                Ok(Err(error)) => {
                    call.handled(Code::Unknown);
                    Err(error)
                }
                Err(panic) => Ok(call.panicked(panic.as_ref())),
            }
        })
    }
}

/// The code of an answer. An error is in the headers; an answer without one there counts as OK.
fn code_of(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

/// A call being answered.
struct Call {
    method: Method,
    received: Instant,
    observer: Arc<dyn CallObserver>,
    answered: bool,
}

impl Call {
    fn start(method: Method, observer: Arc<dyn CallObserver>) -> Self {
        observer.call_started(method);
        Self { method, received: Instant::now(), observer, answered: false }
    }

    fn handled(mut self, code: Code) {
        self.end(code);
    }

    fn panicked(mut self, panic: &(dyn Any + Send)) -> Response<Body> {
        error!("{} ended in a panic, please report this: {}", self.method.name, panic_message(panic));
        self.observer.call_panicked(self.method);
        self.end(Code::Internal);
        Status::internal(format!("a bug in this service ended {}; its log says where", self.method.name))
            .into_http()
    }

    fn end(&mut self, code: Code) {
        self.answered = true;
        let (elapsed, code) = (self.received.elapsed(), code_label(code));
        self.observer.call_handled(self.method, code, elapsed);
        // Calls that change something have said more about themselves.
        if !self.method.writes() {
            debug!("{}: {code} after {:.1} ms", self.method.name, elapsed.as_secs_f64() * 1000.0);
        }
    }
}

impl Drop for Call {
    /// The caller hung up, or its time-out passed.
    fn drop(&mut self) {
        if !self.answered {
            self.end(Code::Cancelled);
        }
    }
}

/// What a panic says, where it says anything.
#[must_use]
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex};

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn note(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    impl CallObserver for Heard {
        fn call_started(&self, method: Method) {
            self.note(format!("started {}", method.name));
        }
        fn call_handled(&self, method: Method, code: &'static str, _elapsed: Duration) {
            self.note(format!("{} {code}", method.name));
        }
        fn call_panicked(&self, method: Method) {
            self.note(format!("panicked {}", method.name));
        }
    }

    fn request(path: &str) -> Request<Body> {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    const PATH: &str = "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/Refresh";

    async fn answer<F>(path: &str, heard: &Arc<Heard>, inner: fn() -> F) -> Response<Body>
    where
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let observer: Arc<dyn CallObserver> = heard.clone();
        let service = tower::service_fn(move |_: Request<Body>| inner());
        CallLayer::new(observer).layer(service).call(request(path)).await.unwrap()
    }

    #[tokio::test]
    async fn each_call_is_started_and_handled_once() {
        let heard = Arc::new(Heard::default());
        answer(PATH, &heard, || async { Ok(Response::default()) }).await;
        answer(PATH, &heard, || async { Ok(Status::unavailable("x").into_http()) }).await;
        answer("/a.b/C", &heard, || async { Ok(Status::unimplemented("x").into_http()) }).await;
        assert_eq!(
            *heard.0.lock().unwrap(),
            [
                "started Refresh",
                "Refresh OK",
                "started Refresh",
                "Refresh Unavailable",
                "started unknown",
                "unknown Unimplemented"
            ]
        );
    }

    #[tokio::test]
    async fn a_panic_becomes_internal() {
        let heard = Arc::new(Heard::default());
        let response = answer(PATH, &heard, || async { panic!("boom") }).await;
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("boom"), "{}", status.message());
        assert_eq!(*heard.0.lock().unwrap(), ["started Refresh", "panicked Refresh", "Refresh Internal"]);
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_is_counted() {
        let heard = Arc::new(Heard::default());
        let never = answer(PATH, &heard, std::future::pending);
        assert!(never.now_or_never().is_none());
        assert_eq!(*heard.0.lock().unwrap(), ["started Refresh", "Refresh Canceled"]);
    }
}
