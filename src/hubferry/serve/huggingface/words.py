"""What Hugging Face says when it refuses, as its users quote it."""

from __future__ import annotations

from hubferry.serve.refusal import Reason, Refusal

_WORDS = {
    Reason.OUTDATED: "The branch was updated since you opened this page. Please refresh and try again.",
    Reason.RATE: "We had to rate limit you. See https://huggingface.co/docs/hub/rate-limits",
    Reason.TOO_LARGE: "Payload Too Large",
    Reason.NO_LENGTH: "You must provide the Content-Length HTTP header.",
    Reason.BAD_CARD: '"license" must be a string',
}
_PRIVATE_QUOTA = (
    "Private repository storage limit reached, please upgrade your plan to increase your private storage "
    "limit."
)
_PUBLIC_QUOTA = (
    "Your storage patterns tripped our internal systems! Please contact us at website@huggingface.co so we "
    "can verify your account and unlock more storage for your use-case."
)


def words_for(refusal: Refusal) -> str:
    """Return the hub's words for a refusal that brings none."""
    if refusal.reason is Reason.QUOTA:
        return _PRIVATE_QUOTA if refusal.about == "private" else _PUBLIC_QUOTA
    if refusal.reason is Reason.COMMIT_RATE:
        return (
            f"You have exceeded the rate limit for repository commits ({refusal.about or 128} per hour). You "
            "can retry this action in about 1 hour. To reduce the number of commits, you can upload entire "
            "folders at once using the Hub Python library: "
            "https://huggingface.co/docs/huggingface_hub/guides/upload"
        )
    return _WORDS.get(refusal.reason) or str(refusal.reason.value)


def rights_words(path: str) -> str:
    """Return the hub's words for a missing right to change a repository, by what was asked for."""
    if path.endswith("/info/lfs/objects/batch"):
        return "Authorization error."
    return "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request"
