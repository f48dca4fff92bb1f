"""Sentences of click and argparse that our commands show. Never imported: the catalog is extracted from here.

Both ask gettext for their words; `output.prepare` makes it look into our catalog.
"""

from __future__ import annotations


def N_(message: str, _plural: str = "", _count: int = 0) -> str:  # noqa: N802  # gettext's own name for it
    """Mark a sentence for the catalog."""
    return message


CLICK = (
    N_("Usage:"),
    N_("Options"),
    N_("Arguments"),
    N_("Positional arguments"),
    N_("Commands"),
    N_("Show this message and exit."),
    N_("Show the version and exit."),
    N_("Error: {message}"),
    N_("Aborted!"),
    N_("Do you want to continue?"),
    N_("Error: invalid input"),
    N_("Missing command."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("Missing {param_type}"),
    N_("Missing parameter: {param_name}"),
    N_("No such option {name!r}."),
    N_("No such option: {name}"),
    N_("No such command {name!r}."),
    N_("Invalid value: {message}"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("Option {name!r} does not take a value."),
    N_("Try '{command} {option}' for help."),
    N_("env var: {var}"),
    N_("default: {default}"),
    N_("required"),
    N_("(dynamic)"),
    N_("{value!r} is not a valid {number_type}."),
    N_("{value} is not in the range {range}."),
    N_("{value!r} is not a valid boolean. Recognized values: {states}"),
    N_("{name} {filename!r} does not exist."),
    N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is a directory."),
    N_("{name} {filename!r} is not readable."),
    N_("{name} {filename!r} is not writable."),
    N_("file"),
    N_("directory"),
    N_("path"),
)
CLICK_PLURALS = (
    N_("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)", 1),
    N_("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})", 1),
    N_("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments.", 1),
    N_("{value!r} is not {choice}.", "{value!r} is not one of {choices}.", 1),
)
ARGPARSE = (
    N_("usage: "),
    N_("options"),
    N_("positional arguments"),
    N_("show this help message and exit"),
    N_("%(prog)s: error: %(message)s\n"),
    N_("the following arguments are required: %s"),
    N_("unrecognized arguments: %s"),
    N_("argument %(argument_name)s: %(message)s"),
    N_("expected one argument"),
    N_("invalid choice: %(value)r (choose from %(choices)s)"),
)
