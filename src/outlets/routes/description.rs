//! What a route says about itself in `/openapi.json`: parameters, body and answers, with the schemas that they refer to.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Object, Ref, RefOr, Required, Response, Schema};

use super::route::RouteClass;
use crate::outlets::http::gate::Sessions;
use crate::outlets::http::problem::{self, ProblemDetails};

pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html";
pub(super) const TEXT: &str = "text/plain";

/// The names of the security schemes.
pub(super) const BEARER: &str = "bearer";
pub(super) const SESSION: &str = "session";

/// Components by name.
pub(super) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Filled by a route, which describes what is particular about it, and by its class, which adds the rest.
pub(super) struct Description {
    is_proxy: bool,
    operation: OperationBuilder,
    answers: BTreeMap<StatusCode, Response>,
    schemas: Schemas,
}

impl Description {
    pub(super) fn new(is_proxy: bool) -> Self {
        Self { is_proxy, operation: OperationBuilder::new(), answers: BTreeMap::new(), schemas: Schemas::new() }
    }

    /// An answer in JSON of this shape.
    pub(super) fn json<T: ToSchema>(self, status: StatusCode, what: &str) -> Self {
        self.of_schema::<T>(status, JSON, what)
    }

    /// The same; in proxy mode the body of an upstream, whatever its shape.
    pub(super) fn json_of_platform<T: ToSchema>(self, what: &str) -> Self {
        if !self.is_proxy {
            return self.json::<T>(StatusCode::OK, what);
        }
        let ended = "the upstream's own status, or 502 where it did not answer with one";
        self.body(StatusCode::OK, JSON, "the body of the upstream, unchanged")
            .problem(StatusCode::BAD_REQUEST, "this component has no upstream")
            .problem(StatusCode::NOT_FOUND, ended)
            .problem(StatusCode::BAD_GATEWAY, ended)
    }

    /// One of two shapes, by mode.
    pub(super) fn json_by_mode<Computed: ToSchema, Proxied: ToSchema>(self, what: &str) -> Self {
        if !self.is_proxy {
            return self.json::<Computed>(StatusCode::OK, what);
        }
        self.json::<Proxied>(StatusCode::OK, what).json::<Proxied>(StatusCode::BAD_GATEWAY, "both upstreams failed")
    }

    /// An error.
    pub(super) fn problem(self, status: StatusCode, what: &str) -> Self {
        self.of_schema::<ProblemDetails>(status, problem::CONTENT_TYPE, what)
    }

    /// An answer of any other kind.
    pub(super) fn body(self, status: StatusCode, content_type: &str, what: &str) -> Self {
        self.answer(status, content_type, None, what)
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: StatusCode, what: &str) -> Self {
        self.answers.entry(status).or_insert_with(|| Response::new(what));
        self
    }

    fn of_schema<T: ToSchema>(mut self, status: StatusCode, content_type: &str, what: &str) -> Self {
        let schema = self.schema::<T>();
        self.answer(status, content_type, Some(schema), what)
    }

    /// A status may have several content types; its first description counts.
    fn answer(mut self, status: StatusCode, content_type: &str, schema: Option<Ref>, what: &str) -> Self {
        let answer = self.answers.entry(status).or_insert_with(|| Response::new(what));
        answer.content.insert(content_type.to_owned(), Content::new(schema).into());
        self
    }

    fn schema<T: ToSchema>(&mut self) -> Ref {
        let mut used = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut used);
        used.iter_mut().for_each(|(_, schema)| without_defaults(schema));
        self.schemas.extend(used);
        Ref::from_schema_name(T::name())
    }

    /// A parameter of the query.
    pub(super) fn query(self, name: &str, schema: impl Into<Schema>, what: &str) -> Self {
        self.parameter(
            ParameterBuilder::new().parameter_in(ParameterIn::Query).required(Required::False),
            name,
            schema,
            what,
        )
    }

    /// `{name}` in the path.
    pub(super) fn path(self, name: &str, example: &str, what: &str) -> Self {
        let parameter = ParameterBuilder::new().parameter_in(ParameterIn::Path).required(Required::True);
        self.parameter(parameter.example(Some(example.into())), name, texts(&[]), what)
    }

    fn parameter(mut self, of: ParameterBuilder, name: &str, schema: impl Into<Schema>, what: &str) -> Self {
        let parameter = of.name(name).description(Some(what)).schema(Some(schema.into()));
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// The body of a request.
    pub(super) fn takes<T: ToSchema>(mut self, content_type: &str, example: Value) -> Self {
        let mut content = Content::new(Some(self.schema::<T>()));
        content.example = Some(example);
        let body = RequestBodyBuilder::new().content(content_type, content).required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// What follows from the class: access, and the errors that every route of it has.
    pub(super) fn of_class(mut self, class: RouteClass) -> Self {
        if class.needs_access() {
            self.operation = self.operation.security(SecurityRequirement::new(BEARER, [""; 0]));
            if class.sessions() == Sessions::Accepted {
                self.operation = self.operation.security(SecurityRequirement::new(SESSION, [""; 0]));
            }
            let no_token = "no token or an invalid one; a browser gets a form that asks for it";
            self = self.problem(StatusCode::UNAUTHORIZED, no_token).body(StatusCode::UNAUTHORIZED, HTML, no_token);
            self = self.problem(StatusCode::FORBIDDEN, "no client certificate, where one is needed");
        }
        self.problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long")
            .problem(StatusCode::INTERNAL_SERVER_ERROR, "a defect; the log has it")
            .problem(StatusCode::SERVICE_UNAVAILABLE, "too many requests are in flight, or the time limit is over")
    }

    /// The operation without its id, and the schemas that it refers to.
    pub(super) fn into_parts(self, summary: &str) -> (Operation, Schemas) {
        let operation = self
            .answers
            .into_iter()
            .fold(self.operation, |operation, (status, answer)| operation.response(status.as_str(), answer));
        (operation.summary(Some(summary)).build(), self.schemas)
    }
}

/// What an upstream's payload is read with where a field is missing says nothing about the answers.
fn without_defaults(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for property in object.properties.values_mut() {
        match property {
            RefOr::Ref(property) => property.default = None,
            RefOr::T(Schema::Object(property)) => property.default = None,
            RefOr::T(Schema::Array(property)) => property.default = None,
            RefOr::T(Schema::OneOf(property)) => property.default = None,
            RefOr::T(_) => {}
        }
    }
}

/// A text, or one of these.
pub(super) fn texts(values: &[&str]) -> Object {
    let text = Object::builder().schema_type(utoipa::openapi::Type::String);
    if values.is_empty() { text.build() } else { text.enum_values(Some(values.iter().copied())).build() }
}

/// A time in Unix seconds.
pub(super) fn unix_seconds() -> Object {
    Object::builder().schema_type(utoipa::openapi::Type::Number).minimum(Some(0.0)).build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(description: Description) -> Value {
        serde_json::to_value(description.into_parts("what").0).unwrap()
    }

    fn statuses(operation: &Value) -> Vec<&str> {
        operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_first_description_of_a_status_counts_and_its_content_types_add_up() {
        let both = Description::new(false).body(StatusCode::OK, TEXT, "first").body(StatusCode::OK, HTML, "second");
        let operation = shown(both.empty(StatusCode::OK, "third").empty(StatusCode::NO_CONTENT, "nothing"));
        let answer = &operation["responses"]["200"];
        assert_eq!(answer["description"], "first");
        assert!(answer["content"][TEXT].is_object() && answer["content"][HTML].is_object(), "{answer}");
        assert_eq!(operation["responses"]["204"]["content"], Value::Null);
        assert_eq!(operation["summary"], "what");
    }

    #[test]
    fn what_is_computed_and_what_upstreams_answer_differ_by_mode() {
        let platform = |is_proxy| shown(Description::new(is_proxy).json_of_platform::<ProblemDetails>("computed"));
        assert_eq!(
            (statuses(&platform(false)), statuses(&platform(true))),
            (vec!["200"], vec!["200", "400", "404", "502"])
        );
        let schema = |operation: Value| operation["responses"]["200"]["content"][JSON]["schema"]["$ref"].clone();
        assert_eq!(schema(platform(false)), "#/components/schemas/ProblemDetails");
        assert_eq!(schema(platform(true)), Value::Null, "its shape is the upstream's");
        let by_mode = |is_proxy| shown(Description::new(is_proxy).json_by_mode::<ProblemDetails, Value>("both"));
        assert_eq!((statuses(&by_mode(false)), statuses(&by_mode(true))), (vec!["200"], vec!["200", "502"]));
        assert_ne!(schema(by_mode(false)), schema(by_mode(true)));
    }

    #[test]
    fn a_class_adds_its_access_and_what_every_route_may_answer() {
        for (class, security) in [
            (RouteClass::Health, Value::Null),
            (RouteClass::ClientEvents, Value::Null),
            (RouteClass::Login, Value::Null),
            (RouteClass::Export, json!([{"bearer": []}])),
            (RouteClass::Normal, json!([{"bearer": []}, {"session": []}])),
        ] {
            let operation = shown(Description::new(false).of_class(class));
            assert_eq!(operation["security"], security, "{class:?}");
            let denied = if security.is_null() { &[][..] } else { &["401", "403"] };
            assert_eq!(statuses(&operation), [denied, &["413", "500", "503"]].concat(), "{class:?}");
        }
    }

    #[test]
    fn parameters_of_the_path_are_required_and_those_of_the_query_are_not() {
        let both = Description::new(false).path("metric", "a.b", "which").query("at", unix_seconds(), "when");
        let operation = shown(both.query("format", texts(&["json", "text"]), "how"));
        let parameter = |index: usize| &operation["parameters"][index];
        let places = [0, 1, 2].map(|index| (parameter(index)["in"].as_str(), parameter(index)["required"].as_bool()));
        assert_eq!(places, [(Some("path"), Some(true)), (Some("query"), Some(false)), (Some("query"), Some(false))]);
        assert_eq!(parameter(0)["example"], "a.b");
        assert_eq!(parameter(1)["schema"]["minimum"], 0.0);
        assert_eq!(parameter(2)["schema"]["enum"], json!(["json", "text"]));
        assert_eq!(parameter(0)["schema"].get("enum"), None);
    }
}
