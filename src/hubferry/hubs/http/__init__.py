"""HTTP as both hubs speak it: one client, its errors, ranges, bodies."""
