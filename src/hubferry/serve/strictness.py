"""How strict and how odd the embedded hub is: not at all by default, or as the real hubs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests in a fixed window of time, for each token, and for each address without one.

    Attributes:
        api: Most requests that are no downloads.
        resolvers: Most requests for files by their `/resolve/` address.
        seconds: How long a window lasts.
        anonymous_api: The same as `api` without a token.
        anonymous_resolvers: The same as `resolvers` without a token.
    """

    api: int = 1_000
    resolvers: int = 5_000
    seconds: float = 300.0
    anonymous_api: int = 500
    anonymous_resolvers: int = 3_000

    def most(self, *, resolving: bool, anonymous: bool) -> int:
        """Return how many requests of a kind a window allows."""
        if resolving:
            return self.anonymous_resolvers if anonymous else self.resolvers
        return self.anonymous_api if anonymous else self.api


@dataclass(frozen=True, slots=True)
class Throttle:
    """Commits in a fixed window of time, and what the next one is told.

    Attributes:
        commits: Most commits in a window.
        seconds: How long a window lasts.
        answer: `wait` is 429 with Retry-After, `bare` is 429 without, `policy` is ModelScope's
            400 "commit rejected by repository policy", `forbidden` is the same with 403.
    """

    commits: int
    seconds: float = 3_600.0
    answer: Literal["wait", "bare", "policy", "forbidden"] = "bare"


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of blobs that may be kept, as far as branches name them.

    Attributes:
        repository: In one repository; None is no limit.
        account: In all repositories of one owner; None is no limit.
        private: In the private repositories of one owner; None is no limit.
    """

    repository: int | None = None
    account: int | None = None
    private: int | None = None


@dataclass(frozen=True, slots=True)
class Strictness:
    """What the hub refuses and gets wrong as the real hubs do; one field a rule, each off by default.

    Attributes:
        cards: Hugging Face checks the metadata of a README.md.
        attributes: Hugging Face keeps `.gitattributes`: new repositories have one, files of a commit that are
            blobs get their line, and whether a file is a blob follows from it.
        inline_bytes: Hugging Face's largest file that is no blob.
        inline_text: Hugging Face takes binary files as blobs only.
        part_bytes: Hugging Face takes a blob of more bytes in parts of so many, from clients that offer it.
        folder_files: Hugging Face's most entries of a folder that a commit touches.
        repository_files: Hugging Face's most files of a repository.
        commit_bytes: Largest commit request.
        lengths: A blob must be sent with its Content-Length.
        rates: Hugging Face counts requests, and says so in headers.
        huggingface_commits: Hugging Face's commits to one repository.
        modelscope_commits: ModelScope's commits to one repository.
        quota: Bytes of blobs.
        rights: Refusals about rights in Hugging Face's words.
        names: Hugging Face's rules for the names of new repositories.
        branches: ModelScope commits to branches only that are there, and refuses when the branch moved
            while the request was read.
        dataset_page: Most entries of a page of a ModelScope dataset, whatever was asked for.
        resolve_cache: Hugging Face sends a file that is no blob by way of a relative redirect.
        renamed: Hugging Face's repositories by their old and their new name; the old one redirects.
        lag: Listings of a branch that show the state before its last commit.
        passing_refusal: Every how manyth listing of ModelScope is refused with 403.
        missing_succeeds: ModelScope answers 200 with `Success: false` for a missing repository.
        tag_objects: Hugging Face lists a tag with a message by the id of the tag, and not of its commit.
        repeated_pages: A page past the end of a ModelScope dataset shows the last one again.
    """

    cards: bool = False
    attributes: bool = False
    inline_bytes: int | None = None
    inline_text: bool = False
    part_bytes: int | None = None
    folder_files: int | None = None
    repository_files: int | None = None
    commit_bytes: int | None = None
    lengths: bool = False
    rates: Rates | None = None
    huggingface_commits: Throttle | None = None
    modelscope_commits: Throttle | None = None
    quota: Quota | None = None
    rights: bool = False
    names: bool = False
    branches: bool = False
    dataset_page: int | None = None
    resolve_cache: bool = False
    renamed: tuple[tuple[str, str], ...] = ()
    lag: int = 0
    passing_refusal: int | None = None
    missing_succeeds: bool = False
    repeated_pages: bool = False
    tag_objects: bool = False

    @classmethod
    def real(cls) -> Strictness:
        """Return every rule with the real hubs' number, where one is known; the oddities stay off."""
        return cls(
            cards=True,
            attributes=True,
            inline_bytes=10 << 20,
            inline_text=True,
            part_bytes=5 * 10**9,
            folder_files=10_000,
            repository_files=1_000_000,
            commit_bytes=100 << 20,
            lengths=True,
            rates=Rates(),
            huggingface_commits=Throttle(128),
            modelscope_commits=Throttle(60, answer="wait"),
            quota=Quota(private=100 * 10**9),
            rights=True,
            names=True,
            branches=True,
            dataset_page=200,
            resolve_cache=True,
        )
