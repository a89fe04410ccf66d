//! Subcommands and their help.
