"""One thing that `hubferry doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubferry.i18n import _

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What was looked at, by a name that is the same in every language.
        state: `good`, `note` (worth knowing) or `bad` (would stop a copy).
        text: What was found.
        hint: What to type or set.
        exit_code: Of the error that a copy would end with; 0 unless bad.
    """

    subject: str
    state: State
    text: str
    hint: str | None = None
    exit_code: int = 0

    @property
    def title(self) -> str:
        """What was looked at, in the language of the moment; a hub of the file is called by its name."""
        known = {
            "versions": _("versions"),
            "configuration": _("configuration file"),
            "cache": _("cache"),
            "network": _("network"),
            "proxy": _("proxy"),
            "huggingface-token": _("Hugging Face token"),
            "modelscope-token": _("ModelScope token"),
            "huggingface": "Hugging Face",
            "modelscope": "ModelScope",
        }
        if self.subject not in known and self.subject.endswith("-token"):
            return _("{hub} token").format(hub=self.subject.removesuffix("-token"))
        return known.get(self.subject, self.subject)
