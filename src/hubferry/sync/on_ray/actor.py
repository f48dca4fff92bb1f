"""The desk as an actor of Ray's."""

from __future__ import annotations

import ray

from hubferry.sync.on_ray.desk import Desk


class DeskActor(Desk):
    """A desk that knows whether it is the first one of its run."""

    def __init__(self) -> None:
        """Begin; after one that died, slowly."""
        super().__init__(again=ray.get_runtime_context().was_current_actor_reconstructed)
