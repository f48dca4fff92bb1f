"""Files that are only read: hashed once, and what they hashed to kept elsewhere than beside them."""
