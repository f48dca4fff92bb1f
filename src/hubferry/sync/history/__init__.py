"""What earlier runs of mirrors came to, in SQLite; see `store.History`."""
