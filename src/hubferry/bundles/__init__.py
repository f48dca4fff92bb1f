"""Make bundles of repositories, and take repositories out of them again; docs/bundles.md."""
