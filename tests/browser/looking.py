"""What the tests ask of a page as a whole: that it fits, and that everybody can use it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

GRAVE = ("serious", "critical")


@lru_cache(maxsize=1)
def axe() -> str:
    import axe_playwright_python

    return next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")


def barriers(page) -> list[str]:
    """Return what axe-core finds serious or critical; it runs beside the page, whose policy stands."""
    page.evaluate(axe() + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node.get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]


def overflow(page) -> int:
    """Return by how many pixels a page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def assert_sound(page) -> None:
    """Fail if a page scrolls sideways, or keeps somebody out."""
    assert overflow(page) <= 0, page.url
    found = barriers(page)
    assert not found, "\n".join([page.url, *found])
