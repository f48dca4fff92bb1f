"""The hubs: what one must be able to do (`ports`), and each that we know."""
