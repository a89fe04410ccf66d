//! Settings reader with an injected lookup.
