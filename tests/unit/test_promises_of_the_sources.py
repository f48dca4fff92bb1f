"""What the sources must never do, and what their own words promise, read from the sources themselves."""

from __future__ import annotations

import ast
import hmac
import re
from pathlib import Path

import pytest

from hubferry import errors
from hubferry.errors import HubferryError
from hubferry.serve import Account, Credential, Policy
from hubferry.serve.refusal import Refusal

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    [
        *(ROOT / "src" / "hubferry").rglob("*.py"),
        *(ROOT / "scripts").glob("*.py"),
        ROOT / "transfer_flux_dev.py",
    ]
)
RUN_CODE = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle",
    "torch", "numpy", "code", "codeop", "runpy",
}  # fmt: skip
RUNNING = {"eval", "exec", "compile", "__import__"}
LOADING = {("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("yaml", "load_all")}


def trees():
    for path in SOURCES:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def called(node):
    """Return how a call is written: `name`, or (`module`, `name`)."""
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.value.id, node.func.attr
    return None


def test_there_are_sources_to_read():
    assert len(SOURCES) > 150


def test_nothing_that_could_load_a_pickle_is_imported():
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert not found & RUN_CODE, f"{name}:{node.lineno} imports {found & RUN_CODE}"


def test_no_text_is_ever_run_as_code_and_no_yaml_loaded_that_could():
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert called(node) not in RUNNING, f"{name}:{node.lineno} calls {called(node)}"
                assert called(node) not in LOADING, f"{name}:{node.lineno} calls {called(node)}"


def test_no_shell_ever_reads_a_word_of_ours():
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                shell = [keyword for keyword in node.keywords if keyword.arg == "shell"]
                assert not shell, f"{name}:{node.lineno} names a shell"
                assert called(node) not in {("os", "system"), ("os", "popen")}, f"{name}:{node.lineno}"


def test_temporary_names_are_drawn_by_secrets_never_by_a_guessable_source():
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                bad = {
                    ("tempfile", "mktemp"),
                    ("random", "random"),
                    ("random", "randbytes"),
                    ("uuid", "uuid1"),
                }
                assert called(node) not in bad, f"{name}:{node.lineno} calls {called(node)}"


def test_where_one_of_several_fails_none_of_the_others_goes_on_unseen():
    """A bare `gather` leaves them running; `tasks.run_all` ends them first."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == ("asyncio", "gather"):
                waits = [keyword for keyword in node.keywords if keyword.arg == "return_exceptions"]
                assert waits, f"{name}:{node.lineno} lets go of what it began"


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("token", ["token-0", "token-2", "token-9", "token-00", "", "é"], ids=repr)
def test_a_token_is_compared_with_every_known_one_and_in_constant_time(monkeypatch, position, token):
    compared, honest = [], hmac.compare_digest

    def note(one, other):
        compared.append(other)
        return honest(one, other)

    class Watched(str):
        """A token that no ordinary comparison may touch."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            raise AssertionError("a token was compared byte by byte")

    monkeypatch.setattr("hubferry.serve.access.hmac.compare_digest", note)
    known = [Credential(Watched(f"token-{number}"), Account(f"user-{number}")) for number in range(3)]
    policy = Policy(known[position:] + known[:position])
    try:
        account = policy.identify(token)
    except Refusal:
        account = None
    assert (account.name if account else None) == {"token-0": "user-0", "token-2": "user-2"}.get(token)
    assert len(compared) == (3 if token else 0)


def test_a_signature_is_compared_in_constant_time():
    source = (ROOT / "src/hubferry/serve/signing.py").read_text()
    compared = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare) and "signature" in ast.dump(node) and "expected" in ast.dump(node)
    ]
    assert compared == []
    assert "hmac.compare_digest" in source


def subclasses(kind):
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from subclasses(one)


def test_the_tree_of_errors_in_the_docstring_is_the_one_of_the_classes():
    drawn, parents = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r" {4}(?P<way>[│├└─ ]*)(?P<name>[A-Z]\w+Error) +(?P<code>\d+) ", line)
        if match:
            depth = len(match["way"]) // 4
            parents[depth:] = [match["name"]]
            drawn[match["name"]] = (int(match["code"]), parents[depth - 1] if depth else "Exception")
    actual = {
        one.__name__: (one.exit_code, one.__base__.__name__)
        for one in [HubferryError, *subclasses(HubferryError)]
    }
    assert drawn == actual


def test_every_exit_code_belongs_to_one_branch_of_the_tree():
    branches = {}
    for one in HubferryError.__subclasses__():
        branches.setdefault(one.exit_code, []).append(one)
    assert all(len(found) == 1 for found in branches.values())
    assert set(branches) == {2, 3, 4, 5, 6, 7, 8, 9, 130}


def test_the_dependencies_stay_few():
    declared = re.search(r"\ndependencies = \[(.*?)\n\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)[1]
    assert len(re.findall(r'"', declared)) // 2 <= 19  # docs/adr/0012-pages.md: four for pages


def test_known_vulnerabilities_are_looked_for_by_a_target_of_its_own():
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    assert "pip-audit" in recipe
    assert "requirements.lock" in recipe
