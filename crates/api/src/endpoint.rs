//! Endpoints: a path and its methods, each with its handler, access and contract.
//!
//! `get`, `post` and `patch` are the only way to register a handler, so every handler has an access and a contract.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError as _,
    Route, web,
};
use utoipa::openapi::path::HttpMethod;

use crate::middleware::auth::{self, Access};
use crate::openapi::{self, Contract, Described};
use crate::problem::{Problem, ProblemKind};

/// A path with its methods.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    methods: Methods,
}

/// The methods of one path.
type Methods = Vec<EndpointMethod>;

/// One method of a path.
pub(crate) struct EndpointMethod {
    method: Method,
    route: Route,
    access: Access,
    contract: fn() -> Contract,
}

/// The path template of an endpoint.
pub(crate) struct Path(pub(crate) &'static str);

pub(crate) fn endpoint<const N: usize>(path: &'static str, methods: [Methods; N]) -> Endpoint {
    let methods = methods.into_iter().flatten().collect();
    Endpoint { path, methods }
}

impl Endpoint {
    /// The resource of the path. It responds to `OPTIONS`, and with 405 to unsupported methods; both responses list the
    /// supported methods.
    pub(crate) fn resource(self) -> Resource {
        let names = self.methods.iter().map(|method| method.method.as_str());
        let names: Vec<&str> = names.chain(["OPTIONS"]).collect();
        let allow: Arc<str> = names.join(", ").into();
        let mut resource = web::resource(self.path).app_data(Path(self.path));
        for method in self.methods {
            resource = resource.route(method.route);
        }
        resource.default_service(web::to(move |request: HttpRequest| {
            let allow = Arc::clone(&allow);
            async move { method_not_allowed(&request, &allow) }
        }))
    }

    /// The OpenAPI operation of each method except `HEAD`, which follows from `GET` (RFC 9110, section 9.3.2): generators
    /// would create a method of the client for it.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (HttpMethod, Described)> {
        self.methods.iter().filter_map(|method| {
            let contract = (method.contract)();
            let described = openapi::operation(contract, self.path, method.access);
            Some((openapi_method(&method.method)?, described))
        })
    }
}

/// The method in OpenAPI; `None` for methods that the document omits.
fn openapi_method(method: &Method) -> Option<HttpMethod> {
    match *method {
        Method::GET => Some(HttpMethod::Get),
        Method::POST => Some(HttpMethod::Post),
        Method::PATCH => Some(HttpMethod::Patch),
        _ => None,
    }
}

/// `GET` and `HEAD`; the HTTP server omits the body of a response to `HEAD`.
pub(crate) fn get<F, Args>(access: Access, handler: F, contract: fn() -> Contract) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let head = method(access, Method::HEAD, handler.clone(), contract);
    vec![method(access, Method::GET, handler, contract), head]
}

pub(crate) fn post<F, Args>(access: Access, handler: F, contract: fn() -> Contract) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    vec![method(access, Method::POST, handler, contract)]
}

pub(crate) fn patch<F, Args>(access: Access, handler: F, contract: fn() -> Contract) -> Methods
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    vec![method(access, Method::PATCH, handler, contract)]
}

/// A method whose handler is called only for callers with the access.
fn method<F, Args>(
    access: Access,
    method: Method,
    handler: F,
    contract: fn() -> Contract,
) -> EndpointMethod
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let authorize = from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
        auth::authorize(access, request, next)
    });
    let route = web::method(method.clone()).to(handler).wrap(authorize);
    EndpointMethod {
        method,
        route,
        access,
        contract,
    }
}

/// The response to a method that the path does not support; `allow` lists the supported ones.
fn method_not_allowed(request: &HttpRequest, allow: &str) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return options(allow);
    }
    let detail = format!("this path supports {allow}");
    let mut response = Problem::new(ProblemKind::MethodNotAllowed, detail).error_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The response to `OPTIONS`.
pub(crate) fn options(allow: &str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ALLOW, allow))
        .finish()
}
