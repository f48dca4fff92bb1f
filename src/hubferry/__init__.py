"""Copy models between hubs through a persistent, verified cache."""
