//! A simulated KDCube deployment.
