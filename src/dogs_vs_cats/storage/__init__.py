"""Writing to disk: the one place where files are written aside and renamed, and the caches built on it."""
