"""The embedded hub as a mirror: what it does not have it gets from upstream, once, and keeps in the cache."""
