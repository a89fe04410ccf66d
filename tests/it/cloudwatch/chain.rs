//! AWS' own chain of credentials, in processes of their own because it reads the environment.
