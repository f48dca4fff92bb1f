"""How the routes of the ModelScope dialect name a repository: always with its owner."""

REPO = "{kind:models|datasets}/{repo:[^/]+/[^/]+}"
