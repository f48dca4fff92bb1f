"""The environment variables that hubferry reads."""

from __future__ import annotations

from hubferry.i18n import _


def variables() -> tuple[tuple[str, str], ...]:
    """Return each variable with what it does."""
    return (
        ("HF_TOKEN", _("Token for Hugging Face; else what `hf auth login` stored.")),
        ("HF_ENDPOINT", _("Address of Hugging Face, or of a mirror.")),
        ("MODELSCOPE_API_TOKEN", _("Token for ModelScope; else what `modelscope login` stored.")),
        ("MODELSCOPE_ENDPOINT", _("Address of ModelScope.")),
        ("HUBFERRY_SOURCE_TOKEN", _("Token for the source, whichever hub it is.")),
        ("HUBFERRY_DESTINATION_TOKEN", _("Token for the destination, whichever hub it is.")),
        ("HUBFERRY_CACHE", _("Where models are kept; ~/.cache/model_transfer unless set.")),
        ("HUBFERRY_CACHE_READONLY", _("More caches, which are only read; separated as PATH is.")),
        (
            "HUBFERRY_CACHE_LIMIT",
            _("Most that the cache may take, as 500G; the longest unused goes."),
        ),
        ("HUBFERRY_CONFIG", _("Configuration file; empty or none for none.")),
        (
            "HUBFERRY_INSECURE",
            _("Hosts to which a token may travel over plain http, as hub.lan,10.0.0.5:8787."),
        ),
        ("HUBFERRY_LANG", _("Language of messages: en or zh; else that of the locale.")),
        ("HUBFERRY_TOKEN", _("Token that `hubferry serve` demands.")),
        ("HUBFERRY_PATIENCE", _("Minutes without any progress before giving up; 5.")),
        (
            "HUBFERRY_RETRIES",
            _("How often to try again, at most; by patience alone unless set."),
        ),
        (
            "HUBFERRY_RETRY_WAIT",
            _("Seconds before the first new try, doubled each time; by what failed unless set."),
        ),
        ("HUBFERRY_TIMEOUT", _("Seconds that a connection may say nothing; 60.")),
        ("HUBFERRY_XET", _("How to read and write Hugging Face's chunked storage: auto, always or never.")),
        ("HUBFERRY_XET_TIMEOUT", _("Seconds in which chunked storage may move nothing; 30.")),
        ("HUBFERRY_LOCK", _("soft: lock by files, for network disks without kernel locks.")),
        ("HUBFERRY_READ_TOKEN", _("Token that `hubferry serve` takes for reading only.")),
        ("HUBFERRY_LISTEN", _("Where `hubferry sync watch` answers /metrics and /healthz.")),
        ("HUBFERRY_PROGRESS", _("How to show progress: auto, bar, plain, json or none.")),
        ("HUBFERRY_DEBUG", _("Show where an unexpected error came from.")),
        ("HF_HUB_OFFLINE", _("Ask no hub; answer from the cache.")),
        ("HTTPS_PROXY", _("Proxy to hubs: http, https, socks5h and others; as HTTP_PROXY and ALL_PROXY.")),
        ("NO_PROXY", _("Hosts that are asked directly: names, addresses, networks.")),
        (
            "SSL_CERT_FILE",
            _("Whose certificates to believe; as SSL_CERT_DIR, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."),
        ),
        ("NO_COLOR", _("Print without colours.")),
    )
