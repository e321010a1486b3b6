//! A path with its methods, each with its handler, its access and its contract.
//!
//! `get`, `post` and `patch` are the only way to add a handler, so that none goes without the other two.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, Route, web};
use utoipa::openapi::path::{HttpMethod, Operation};

use crate::access::{self, Access};
use crate::app::other_method;
use crate::contract::{self, Contract, Schemas};

/// A path with its methods.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    methods: Methods,
}

/// Methods of one path.
type Methods = Vec<EndpointMethod>;

/// One method of a path.
pub(crate) struct EndpointMethod {
    method: Method,
    route: Route,
    access: Access,
    contract: fn() -> Contract,
}

/// The path that an endpoint is at, as it was declared.
pub(crate) struct Path(pub(crate) &'static str);

pub(crate) fn endpoint<const N: usize>(path: &'static str, methods: [Methods; N]) -> Endpoint {
    let methods = methods.into_iter().flatten().collect();
    Endpoint { path, methods }
}

impl Endpoint {
    /// What answers at the path. It also answers `OPTIONS`, and any other method with 405; both name the ones that it has.
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
            async move { other_method(&request, &allow) }
        }))
    }

    /// What each method promises, with the schemas that it refers to.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (HttpMethod, Operation, Schemas)> {
        self.methods.iter().filter_map(|method| {
            let contract = (method.contract)();
            let (operation, schemas) =
                contract::operation(contract, &method.method, self.path, method.access);
            Some((documented(&method.method)?, operation, schemas))
        })
    }
}

/// The method as OpenAPI has it. There are no others: see `get`, `post` and `patch`.
fn documented(method: &Method) -> Option<HttpMethod> {
    match *method {
        Method::GET => Some(HttpMethod::Get),
        Method::HEAD => Some(HttpMethod::Head),
        Method::POST => Some(HttpMethod::Post),
        Method::PATCH => Some(HttpMethod::Patch),
        _ => None,
    }
}

/// `GET`, and `HEAD` with it: the server leaves the body away.
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

/// A method whose handler answers those that have access.
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
    let permit = from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
        access::permit(access, request, next)
    });
    let route = web::method(method.clone()).to(handler).wrap(permit);
    EndpointMethod {
        method,
        route,
        access,
        contract,
    }
}
