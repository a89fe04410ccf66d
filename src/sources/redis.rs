//! Reads one scope's facts from Redis.
