"""Moving bytes: what to fetch next, fetching it, and reading a file while it grows."""
