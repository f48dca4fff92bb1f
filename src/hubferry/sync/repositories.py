"""Sources and targets of a mirror file: names that can be, folders by the file's place, patterns, blanks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubferry import places, refs, typed
from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.sync.mistakes import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from hubferry.model import RepoRef

BLANKS = ("owner", "name")
_BLANK = re.compile(r"\{([^{}]*)\}")
_PATTERN = re.compile(r"[*?\[\]]")
_CHARACTERS = re.compile(r"[A-Za-z0-9._*?\[\]!-]+")
_SAMPLE = "some-name"


class UnknownHubError(Exception):
    """Report a name of a hub that the file has, and wrongly; that is named where the hub stands."""


@dataclass(frozen=True, slots=True)
class Place:
    """A source or a target as it was understood.

    Attributes:
        text: As a copy takes it: `hf:org/name`, `hf:Qwen/*`, an absolute folder.
        ref: The repository or the folder; of a pattern some repository of its owner.
        is_pattern: Whether it means an owner's repositories.
    """

    text: str
    ref: RepoRef
    is_pattern: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.ref.hub == "dir"

    @property
    def key(self) -> str:
        """What two places have in common that are one: no hub tells upper and lower case apart."""
        if self.is_folder or self.is_pattern:
            return self.text if self.is_folder else self.text.lower()
        return f"{self.repository}@{self.ref.revision or ''}"

    @property
    def repository(self) -> str:
        """What two places have in common that are one repository, perhaps in two revisions."""
        if self.is_folder:
            return self.text
        ref = self.ref
        return f"{ref.endpoint or ref.hub} {ref.repo_type} {ref.repo_id}".lower()


class Places:
    """Understand what a file in a folder says of sources and targets."""

    def __init__(self, folder: Path, broken: Collection[str]) -> None:
        """Read for the file in `folder`, whose hubs `broken` are not understood themselves."""
        self._folder = folder
        self._broken = broken

    def source(self, text: str) -> Place:
        """Return a repository, an owner's by a pattern, or a folder.

        Raises:
            UsageError: It cannot be meant.
            UnknownHubError: Its hub is one that is wrong itself.
        """
        if self._is_folder(text) or not _PATTERN.search(text):
            return self._place(text)
        head, slash, pattern = text.rpartition("/")
        if "://" in text or not slash or _PATTERN.search(head) or not _CHARACTERS.fullmatch(pattern):
            message = _("a pattern chooses among the names of one owner: hf:owner/* or hf:owner/Qwen3-*")
            raise UsageError(message)
        ref = self._ref(f"{head}/{_SAMPLE}")
        if "/" not in ref.repo_id:
            raise UsageError(
                _("a pattern chooses among the names of one owner: hf:owner/* or hf:owner/Qwen3-*")
            )
        whole = str(replace(ref, repo_id=f"{ref.repo_id.rpartition('/')[0]}/{pattern}"))
        return Place(whole, ref, is_pattern=True)

    def target(self, text: str, source: Place | None) -> Place:
        """Return a repository or a folder for what a source has; of a pattern with its blanks.

        Raises:
            UsageError: It cannot be meant.
            UnknownHubError: Its hub is one that is wrong itself.
        """
        blanks = _blanks(text)
        if source is None:
            return self._place(_filled(text, "owner", _SAMPLE))
        if blanks and source.is_folder:
            raise UsageError(_("a folder has neither {owner} nor {name}"))
        owner, _slash, name = source.ref.repo_id.rpartition("/")
        place = self._place(_filled(text, owner, name))
        if not place.is_folder:
            place = self._of_kind(place, source)
        if not source.is_pattern:
            return place
        if "name" not in blanks:
            message = _("all of an owner's repositories would go to one target: {name} is lacking")
            raise UsageError(message, hint=_("for example ms:my-org/{name}"))
        whole = str(self._folder_of(text)) if place.is_folder else self._with_blanks(text, source)
        return replace(place, text=whole, is_pattern=True)

    @staticmethod
    def _of_kind(place: Place, source: Place) -> Place:
        """Give a target the kind of its source, as a copy does, and refuse the other one."""
        kind = place.ref.repo_type
        if source.ref.repo_type == kind:
            return place
        if kind == "dataset":
            raise UsageError(_("the source is no dataset, and the target says datasets/"))
        ref = replace(place.ref, repo_type=source.ref.repo_type)
        return Place(place.text if ref.endpoint and not ref.named else str(ref), ref)

    def _with_blanks(self, text: str, source: Place) -> str:
        """Return a target's text with its hub's own name, its kind and its blanks."""
        if "://" in text:
            return text
        hub, _colon, rest = text.partition(":")
        kind = "datasets/" if source.ref.repo_type == "dataset" else ""
        prefix = self._ref(_filled(text, "owner", _SAMPLE)).prefix if _colon else hub
        rest = re.sub(r"^(?://)?(?:models?/|datasets?/)?", "", rest)
        return f"{prefix}:{kind}{rest}"

    def _place(self, text: str) -> Place:
        if _PATTERN.search(text) and not self._is_folder(text) and "://" not in text:
            raise UsageError(
                _("a pattern names sources; a target has {owner} and {name} for what they match")
            )
        if self._is_folder(text):
            path = self._folder_of(text)
            return Place(str(path), refs.parse(str(path)))
        ref = self._ref(text)
        if ref.hub == "dir":  # file:///…
            return Place(ref.repo_id, ref)
        return Place(text if ref.endpoint and not ref.named else str(ref), ref)

    def _ref(self, text: str) -> RepoRef:
        if text.partition(":")[0].lower() in self._broken:
            raise UnknownHubError
        return typed.repository(text, None)

    @staticmethod
    def _is_folder(text: str) -> bool:
        return refs.is_folder(text) or text.startswith(("$", "%"))

    def _folder_of(self, text: str) -> Path:
        """Return a folder's absolute path: `~` and variables as a shell reads them, `.` where the file is.

        Raises:
            UsageError: No such home, no such variable, or nothing that this system can name.
        """
        return folder(text, self._folder)


def folder(text: str, base: Path) -> Path:
    """Return the absolute path of a folder that a file in `base` names.

    Raises:
        UsageError: No such home, no such variable, or nothing that this system can name.
    """
    words = os.path.expandvars(text)
    if words.startswith("$") or (os.name != "nt" and words.startswith("%")):
        raise UsageError(_("a variable that is not set here"), hint=_("write ./folder, ~/folder or /folder"))
    if os.name != "nt" and re.match(r"[A-Za-z]:[\\/]|\\\\|\.{1,2}\\", words):
        message = _("{path} is a folder as Windows writes it, and this is another system").format(path=words)
        raise UsageError(message, hint=_("write /folder, ~/folder or ./folder"))
    if words.startswith("~"):
        return places.expanded(words)
    return Path(os.path.abspath(base / words))  # noqa: PTH100 - resolve() would follow symlinks


def _blanks(text: str) -> set[str]:
    """Return the blanks of a target.

    Raises:
        UsageError: One that nothing fills, or half of one.
    """
    found = set(_BLANK.findall(text))
    for word in sorted(found):
        if word not in BLANKS:
            message = _("nothing fills the blank {blank}; there are {owner} and {name}")
            raise UsageError(
                message.replace("{blank}", "{" + word[:40] + "}"), hint=nearest(word, ("{owner}", "{name}"))
            )
    if re.search(r"[{}]", _BLANK.sub("", text)):
        raise UsageError(_("a brace that stands alone; blanks are {owner} and {name}"))
    return found


def _filled(text: str, owner: str, name: str) -> str:
    return text.replace("{owner}", owner).replace("{name}", name)
