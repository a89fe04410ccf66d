//! Where an autoscaler must not inherit the platform's ways; and that no input makes a panic or a NaN.
