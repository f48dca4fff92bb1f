"""The kit that all pages for a browser share: templates, languages, themes, headers, live parts, plots.

How a package shows a page. Its templates are beside it, in `templates/`, and begin with
`{% extends "base.html" %}`; `base.html` and the macros of `parts.html` are the kit's own.

    from hubferry.pages import Templates, add_routes

    _TEMPLATES = Templates(Path(__file__).parent / "templates")

    async def show(request: web.Request) -> web.Response:
        return await _TEMPLATES.render(request, "cache.html", models=models)

    add_routes(application, title="hubferry ui")            # once an application: /-/static and /-/prefer

In a template:

    {% extends "base.html" %}
    {% import "parts.html" as parts with context %}
    {% block title %}{{ _("Cache") }}{% endblock %}
    {% block navigation %}<a href="{{ link('/cache') }}">{{ _("Cache") }}</a>{% endblock %}
    {% block content %} … {% endblock %}

- `link("/a path", page=2)` escapes a path, and puts it below the folder at which a proxy shows the pages.
- Sentences are `{{ _("…") }}` and `{{ ngettext("{count} file", "{count} files", n).format(count=n|count) }}`;
  `make locale` finds them. Everything is escaped; what is not defined is an error.
- Filters: `|size` (bytes, `4.2 GiB`), `|count` (`12,345`), `|about` (`7.62 B`), `|seconds` (`2 min 5 s`),
  `|short` (a commit), `|name` (a name that somebody else chose: in `<bdi>`, its control characters made
  visible; `|visible` without the `<bdi>`). `ago(time)` writes `<time>`.
- Macros: `parts.copy(text, label)`, `parts.copy_small(text, label)`, `parts.icon(name)`,
  `parts.badge(text, "good|warn|bad|plain")`, `parts.crumbs([(label, href or none), …])`,
  `parts.pager(page, last, address)`, `parts.bar([Share(label, value, shown), …], label)`.
  CSS classes: see the head of `static/pages.css`.
- Nothing inline: the policy of `headers.py` forbids scripts, styles and `style=`; SVG has attributes for it.
- `<select data-submits>` sends its form when it changes, `data-needs-script hidden` is shown by the script.

Plots (`plots.py`) return markup for `{{ plot }}`: `line_plot`, `bar_plot` of plain numbers with their table.
They speak the language of whoever calls them: make them inside of `speaking(reader_of(request).language)`, or
give the function to the template and call it there.

What lives: a part of a page with a name, `<section data-live="transfers">`, and a block in the same template,
`{% block main_attributes %}data-events="{{ link('/-/events') }}"{% endblock %}`. When the stream at that
address says `changed` (data: the names of the parts in JSON, or `[]` for all), the script asks for the page
once more and puts the new parts into the place of the old ones, at most once a second.
`events(request, source)` answers such a stream; an `id` inside of a part keeps its `<details>` open.

What changes something is a form with `{{ form_token() }}` in it, sent by POST and read by
`read_form(request)`, which refuses what did not come from a page of this application. The cookie that says
who asks is called what `session_cookie(request)` returns: the token of a form is bound to its value.
"""

from hubferry.pages.application import ORIGIN, PREFIX, add_routes
from hubferry.pages.forms import CrossOriginError, form_token, read_form
from hubferry.pages.live import Event, events
from hubferry.pages.plots import Point, Series, bar_plot, line_plot
from hubferry.pages.reader import Reader, reader_of, session_cookie
from hubferry.pages.rendering import Share, Templates

__all__ = [
    "ORIGIN",
    "PREFIX",
    "CrossOriginError",
    "Event",
    "Point",
    "Reader",
    "Series",
    "Share",
    "Templates",
    "add_routes",
    "bar_plot",
    "events",
    "form_token",
    "line_plot",
    "read_form",
    "reader_of",
    "session_cookie",
]
