//! Exporters: each takes samples, nothing else.
