"""Bundles: repositories cut into volumes that are carried to where no network is; docs/bundles.md."""
