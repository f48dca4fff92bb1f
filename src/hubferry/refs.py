"""What a person types, `hf:org/name@rev`, a pasted web address or a folder, becomes a `RepoRef`. No I/O."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from hubferry.errors import UsageError
from hubferry.i18n import _
from hubferry.model import HubName, RepoRef, RepoType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PREFIXES: dict[str, HubName] = {"hf": "hf", "huggingface": "hf", "ms": "ms", "modelscope": "ms"}
_KINDS: dict[str, RepoType] = {
    "datasets": "dataset",
    "dataset": "dataset",
    "models": "model",
    "model": "model",
}
_OTHER_KINDS = frozenset({"spaces", "studios", "collections", "papers", "docs", "organization"})

# huggingface_hub/utils/_validators.py: letters, digits, "-", "_", "."; neither end is "-" or "."; 96 at most.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
# git check-ref-format, less what no hub takes in an address.
_BAD_REVISION = re.compile(r"[\x00-\x20\x7f~^:?*\[\]\\]|\.\.|//|@\{|^[-./]|[./]$|\.lock$")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_DRIVE_ALONE = re.compile(r"[A-Za-z]:(?![\\/])")
_HUB_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]+")
_SECURE_COPY = re.compile(r"git@([^:/]+):(.+?)(?:\.git)?/?")
"""How git writes an address for ssh, as the hubs' pages offer it."""
_FILE = "file:"


@dataclass(frozen=True, slots=True)
class Site:
    """A web host and the hub behind it; `endpoint` is None where the environment may choose a mirror.

    `named` is what the configuration file calls it, None for the hubs that everybody knows.
    """

    hub: HubName
    endpoint: str | None = None
    named: str | None = None

    def ref(self, name: str, revision: str | None, kind: RepoType) -> RepoRef:
        """Return a repository there."""
        return RepoRef(self.hub, name, revision, kind, self.endpoint, self.named)


_NO_HUBS: dict[str, Site] = {}
_SITES: dict[str, Site] = {
    "huggingface.co": Site("hf"),
    "www.huggingface.co": Site("hf"),
    "hf.co": Site("hf"),
    "hf-mirror.com": Site("hf", "https://hf-mirror.com"),
    "modelscope.cn": Site("ms"),
    "www.modelscope.cn": Site("ms"),
    "modelscope.ai": Site("ms", "https://www.modelscope.ai"),
    "www.modelscope.ai": Site("ms", "https://www.modelscope.ai"),
}


def parse(
    text: str,
    *,
    default_hub: HubName | None = None,
    hf_endpoint: str | None = None,
    ms_endpoint: str | None = None,
    hubs: Mapping[str, Site] = _NO_HUBS,
) -> RepoRef:
    """Turn what a person typed into a `RepoRef`.

    Args:
        text: `hf:org/name@rev`, `ms:org/name`, `hf:datasets/org/name`, a web address, or a folder that begins
            with `.`, `~`, `/` or a drive letter.
        default_hub: The hub of a bare `org/name`; without it a bare name is refused.
        hf_endpoint: The Hugging Face server in use, whose web addresses are then understood.
        ms_endpoint: The ModelScope server in use, likewise.
        hubs: The hubs of the configuration file, by the word before the colon.

    Raises:
        UsageError: With a hint that shows a right form.
    """
    text = text.strip()
    if not text:
        raise UsageError(_("The name of a repository is empty."), hint=_examples())
    if is_folder(text):
        return RepoRef("dir", text)
    sites = {**_named_sites(hubs), **_SITES, **_own_sites(hf_endpoint, ms_endpoint, default_hub)}
    explicit = _explicit(text, sites, hubs)
    if explicit is not None:
        return explicit
    if default_hub == "dir":
        return RepoRef("dir", text)
    _refuse_unknown_hub(text, hubs)
    if default_hub is None:
        raise UsageError(_("“{text}” does not say which hub.").format(text=text), hint=_did_you_mean(text))
    try:
        return _named(Site(default_hub), text, text)
    except UsageError as error:
        error.hint = both_readings(text, default_hub)
        raise


def _explicit(text: str, sites: dict[str, Site], hubs: Mapping[str, Site]) -> RepoRef | None:
    """Read what says itself where it is; None for a bare word."""
    scheme, colon, rest = text.partition(":")
    site = _by_prefix(scheme.lower(), hubs) if colon else None
    if site is not None:
        return _prefixed(site, rest, text)
    if text.lower().startswith(_FILE):
        return _file(text)
    if match := _SECURE_COPY.fullmatch(text):
        return _web(f"https://{match[1]}/{match[2]}", sites)
    if "://" in text:
        return _web(text, sites)
    if _DRIVE_ALONE.match(text):
        raise UsageError(
            _("“{text}” says a drive, and not where on it.").format(text=text),
            hint=_("Did you mean {name}?").format(name=f"{text[:2]}\\{text[2:]}"),
        )
    if text.partition("/")[0].lower() in sites:
        return _web(f"https://{text}", sites)
    return None


def _by_prefix(word: str, hubs: Mapping[str, Site]) -> Site | None:
    """Return the hub that stands before a colon, None where the word is no hub's."""
    return Site(_PREFIXES[word]) if word in _PREFIXES else hubs.get(word)


def _refuse_unknown_hub(text: str, hubs: Mapping[str, Site]) -> None:
    """Refuse a word before a colon that is no hub's name, with the nearest that is."""
    word, colon, rest = text.partition(":")
    if not colon or not rest or rest.startswith("//") or not _HUB_WORD.fullmatch(word):
        return
    known = list(dict.fromkeys([*hubs, *_PREFIXES]))
    near = get_close_matches(word.lower(), known, n=1)
    hint = _("Did you mean {name}?").format(name=f"{near[0]}:{rest}") if near else "hubferry config show"
    raise UsageError(_("No hub is called “{name}” here.").format(name=word), hint=hint)


def is_folder(text: str) -> bool:
    """Return whether what was typed can be nothing but a folder: it begins with `.`, `~`, `/` or a drive."""
    if text in (".", "..") or text.startswith("~") or _DRIVE.match(text):
        return True
    return text.startswith(("./", "../", "/", ".\\", "..\\", "\\\\"))


def is_bare(text: str) -> bool:
    """Return whether what was typed says neither folder nor hub: `org/name` may be the one and the other."""
    text = text.strip()
    return bool(text) and not is_folder(text) and ":" not in text.partition("/")[0]


def ambiguous(text: str, hub: HubName) -> UsageError:
    """Refuse a bare word that a folder has as well, and show how to write either."""
    message = _("“{text}” can be read as a folder that is here, and as a repository's name.")
    return UsageError(message.format(text=text), hint=both_readings(text, hub))


def both_readings(text: str, hub: HubName) -> str:
    """Return how to write a bare word as a folder, and as a repository of `hub` or the nearest right one."""
    words = {"folder": f"./{text}", "name": as_repository(text, hub)}
    return _("{folder} for the folder, {name} for the repository").format(**words)


def as_repository(text: str, hub: HubName) -> str:
    """Return a bare word as a repository of `hub`, or the nearest right one."""
    if text.partition("/")[0].lower() in _SITES:
        return f"https://{text}"
    try:
        _named(Site(hub), text, text)
    except UsageError:
        path = text.partition("@")[0].strip("/")
        return _nearest(path if "/" in path or hub != "ms" else f"owner/{path}", hub)
    return f"{hub}:{text}"


def _prefixed(site: Site, rest: str, text: str) -> RepoRef:
    """Read what stands behind `hf:` or `ms:`, also as huggingface_hub's file system writes it: `hf://`."""
    hub = site.named or site.hub
    if rest.startswith("//"):
        path, at, revision = rest[2:].partition("@")
        parts = path.split("/")
        most = 3 if parts[0] in _KINDS else 2
        if len(parts) > most:
            message = _("“{text}” names something inside a repository, not the repository.")
            right = f"{hub}:{'/'.join(parts[:most])}{at}{revision}"
            hint = _("Did you mean {name}?").format(name=right)
            raise UsageError(message.format(text=text), hint=hint)
        rest = rest[2:]
    if is_folder(rest) and not rest.startswith("/"):
        message = _("“{text}” says a hub and a folder at once.").format(text=text)
        raise UsageError(message, hint=both_readings(rest.lstrip("./\\~"), site.hub))
    return _named(site, rest, text)


def _file(text: str) -> RepoRef:
    """Read a `file:` address of this machine (RFC 8089) as the folder that it names."""
    path, host = "", ""
    with suppress(ValueError):  # no address at all
        parts = urlsplit(text)
        path, host = unquote(parts.path), parts.netloc.lower()
    if _DRIVE.match(path[1:]):
        path = path[1:]
    if host not in ("", "localhost") or not is_folder(path):
        message = _("“{text}” is no address of a folder on this machine.").format(text=text)
        raise UsageError(message, hint=_("Write file:///folder, /folder or ./folder."))
    return RepoRef("dir", path)


def _own_sites(
    hf_endpoint: str | None, ms_endpoint: str | None, preferred: HubName | None
) -> dict[str, Site]:
    """Return the servers in use; one that is both hubs at once is the one that is preferred there."""
    own: list[tuple[HubName, str | None]] = [("ms", ms_endpoint), ("hf", hf_endpoint)]
    own.sort(key=lambda one: one[0] == preferred)
    return {
        _host_of(endpoint): Site(hub, endpoint.rstrip("/"))
        for hub, endpoint in own
        if endpoint and _host_of(endpoint) not in _SITES
    }


def _named_sites(hubs: Mapping[str, Site]) -> dict[str, Site]:
    """Return the hubs of the configuration file by their web hosts; of two at one host the first."""
    by_host: dict[str, Site] = {}
    for site in hubs.values():
        if site.endpoint:
            by_host.setdefault(_host_of(site.endpoint), site)
    return by_host


def _host_of(endpoint: str) -> str:
    """Return an endpoint's host and port; empty where it has none: whoever asks it says what is wrong."""
    try:
        return urlsplit(endpoint).netloc.lower()
    except ValueError:
        return ""


def _named(site: Site, name: str, text: str) -> RepoRef:
    path, at, revision = name.rpartition("@") if "@" in name else (name, "", "")
    if at and not revision:
        raise UsageError(_("“{text}” ends without a revision.").format(text=text), hint=_did_you_mean(path))
    kind: RepoType = "model"
    head, slash, tail = path.partition("/")
    if slash and (head in _KINDS and (tail.count("/") == 1 or head.endswith("s"))):
        kind, path = _KINDS[head], tail
    elif slash and head in _OTHER_KINDS and tail.count("/") == 1:
        raise _not_a_model(text)
    return _checked(site.ref(path, revision or None, kind), text)


def _web(address: str, sites: dict[str, Site]) -> RepoRef:
    shown = address.partition("?")[0]
    try:
        parts = urlsplit(address)
        site = sites.get(parts.netloc.rpartition("@")[2].lower())
    except ValueError:
        site = None
    if site is None or parts.scheme not in ("http", "https"):
        raise UsageError(
            _("“{text}” is not an address of a hub that hubferry knows.").format(text=shown), hint=_examples()
        )
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    kind: RepoType = "model"
    if segments and segments[0] in _OTHER_KINDS:
        raise _not_a_model(shown)
    if segments and segments[0] in ("models", "datasets"):
        kind = _KINDS[segments.pop(0)]
    owned = len(segments) > 1 and not _views(segments[1:])
    name = "/".join(segments[: 2 if owned else 1])
    revision = _viewed(segments[2 if owned else 1 :])
    asked = parse_qs(parts.query).get("Revision") or parse_qs(parts.query).get("revision")
    return _checked(site.ref(name, revision or (asked[0] if asked else None), kind), shown)


def _views(segments: Sequence[str]) -> bool:
    """Return whether these segments are a page of a repository rather than the second half of its name."""
    return segments[0] in ("tree", "blob", "resolve", "raw", "commit", "commits", "discussions")


def _viewed(segments: Sequence[str]) -> str | None:
    """Return the revision that a page of a repository shows, None where it shows none."""
    match segments:
        case ["file", "view", revision, *_rest]:
            return revision
        case ["tree" | "blob" | "resolve" | "raw" | "commit" | "commits", "refs", kind, name, *_rest]:
            return f"refs/{kind}/{name}"
        case ["tree" | "blob" | "resolve" | "raw" | "commit" | "commits", revision, *_rest]:
            return revision
    return None


def _checked(ref: RepoRef, text: str) -> RepoRef:
    parts = ref.repo_id.split("/")
    two = 2  # an owner and a name
    if len(parts) > two or not all(_PART.fullmatch(part) for part in parts) or _forbidden(ref):
        raise UsageError(
            _("“{text}” is not owner/name with letters, digits, “-”, “_” and “.” alone.").format(text=text),
            hint=_did_you_mean(ref.repo_id, ref),
        )
    if len(parts) == 1 and ref.hub == "ms":
        raise UsageError(
            _("“{text}” lacks the owner: at ModelScope every repository has one.").format(text=text),
            hint=_did_you_mean(f"owner/{ref.repo_id}", ref),
        )
    if ref.revision is not None and _BAD_REVISION.search(ref.revision):
        raise UsageError(
            _("“{revision}” cannot be a branch, a tag or a commit.").format(revision=ref.revision),
            hint=_did_you_mean(ref.repo_id, ref, "@main" if ref.hub == "hf" else "@master"),
        )
    return ref


def is_revision(name: str) -> bool:
    """Return whether a name can be a branch's or a tag's that hubs take in an address."""
    return bool(name) and not _BAD_REVISION.search(name)


def _forbidden(ref: RepoRef) -> bool:
    doubled = ".." in ref.repo_id or (ref.hub == "hf" and "--" in ref.repo_id)
    return doubled or ref.repo_id.lower().endswith(".git")


def _not_a_model(text: str) -> UsageError:
    return UsageError(
        _("“{text}” is neither a model nor a dataset.").format(text=text), hint=_did_you_mean("org/name")
    )


def _did_you_mean(text: str, ref: RepoRef | None = None, revision: str = "") -> str:
    """Ask for the nearest right form of what was typed, at the hub of `ref`."""
    if ref is not None:
        return _("Did you mean {name}?").format(name=f"{_nearest(text, ref.prefix)}{revision}")
    name = _nearest(text, "hf").removeprefix("hf:")
    if "/" not in name:
        return _("Did you mean {name} or the folder {folder}?").format(name=f"hf:{name}", folder=f"./{name}")
    return _("Did you mean {name} or {other}?").format(name=f"hf:{name}", other=f"ms:{name}")


def _nearest(text: str, hub: str) -> str:
    """Make a right name of one that is not."""
    text = text.removesuffix(".git")
    cleaned = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") for part in text.split("/")]
    name = re.sub(r"\.{2,}|-{2,}", "-", "/".join([part for part in cleaned if part][-2:])) or "org/name"
    return f"{hub}:{name}"


def _examples() -> str:
    return _(
        "Write hf:org/name, ms:org/name, hf:org/name@revision, a web address of either hub, or ./folder."
    )
