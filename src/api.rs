//! HTTP: routes, health.
