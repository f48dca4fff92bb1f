"""Which names are taken. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """Names to take, by regular expressions that a whole name has to match.

    Attributes:
        allow: Any of them; empty takes all.
        deny: None of them; stronger than `allow`.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def take(self, name: str) -> bool:
        """Return whether the rules take a name."""
        allowed = not self.allow or any(re.fullmatch(rule, name) for rule in self.allow)
        return allowed and not any(re.fullmatch(rule, name) for rule in self.deny)
