//! The server about itself: logging set-up and its own metrics.
