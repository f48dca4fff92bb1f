"""A folder as a hub: read where it stands, written as one commit."""
