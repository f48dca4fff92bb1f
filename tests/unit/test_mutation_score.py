"""What `make mutation` says is what mutmut found: nothing left out, nothing called noticed that was not."""

import json

import pytest
from mutmut.configuration import reset_config
from tests.mutation import score

SOURCE = """
def x_sum__mutmut_orig(a, b):
    return a + b


def x_sum__mutmut_1(a, b):
    return a - b
"""


@pytest.fixture
def measured(tmp_path, monkeypatch, capsys):
    """Return what is printed, and the exit code, for the exit codes of each module's mutants."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.mutmut]\nsource_paths = ["src"]\nonly_mutate = ["src/*.py"]\n'
    )
    reset_config()

    def run(**modules):
        for place in (tmp_path / "src", tmp_path / "mutants" / "src"):
            place.mkdir(parents=True, exist_ok=True)
        for name, codes in modules.items():
            (tmp_path / "src" / f"{name}.py").touch()
            if codes is None:
                continue
            (tmp_path / "mutants/src" / f"{name}.py").write_text(SOURCE)
            keys = {f"{name}.x_sum__mutmut_{number}": code for number, code in enumerate(codes, start=1)}
            (tmp_path / "mutants/src" / f"{name}.py.meta").write_text(json.dumps({"exit_code_by_key": keys}))
        code = score.main()
        return code, capsys.readouterr().out

    yield run
    reset_config()


def test_nine_of_ten_are_enough_and_every_module_is_named(measured):
    code, printed = measured(a=[0] + [1] * 9, b=[1] * 30)
    assert code == 0
    assert " 90.0%     9 of   10  src/a.py  (1 survived)" in printed
    assert "100.0%    30 of   30  src/b.py\n" in printed
    assert " 97.5%    39 of   40  all  (1 survived)" in printed


def test_a_good_module_does_not_make_up_for_another(measured):
    code, printed = measured(a=[0] * 2 + [1] * 8, b=[1] * 1000)
    assert code == 1
    assert " 99.8%" in printed


@pytest.mark.parametrize("exit_code", [0, 2, 4, 5, 33, 34, 35, -9, -11])
def test_what_no_test_is_known_to_have_noticed_is_not_counted_as_noticed(measured, exit_code):
    code, printed = measured(a=[exit_code] * 2 + [1] * 8)
    assert code == 1
    assert " 80.0%     8 of   10  src/a.py" in printed
    assert "a.x_sum__mutmut_1\n    -return a + b\n    +return a - b\n" in printed


@pytest.mark.parametrize("exit_code", [1, 3, 24, -24, 36, 152, 255])
def test_a_test_that_fails_or_never_ends_has_noticed(measured, exit_code):
    code, printed = measured(a=[exit_code] * 10)
    assert code == 0
    assert "100.0%    10 of   10  src/a.py" in printed


def test_a_run_that_was_interrupted_is_no_measurement(measured):
    code, printed = measured(a=[1] * 99 + [None])
    assert code == 1
    assert "(1 not run)" in printed


def test_a_module_that_was_not_measured_is_missed(measured):
    code, printed = measured(a=[1] * 10, b=None)
    assert code == 1
    assert "not measured: src/b.py" in printed


def test_a_module_without_anything_to_change_is_no_failure_but_nothing_at_all_is(measured):
    assert measured(a=[1], empty=[])[0] == 0
    assert measured(a=[])[0] == 1


def test_a_name_in_the_configuration_that_leads_to_no_module_is_missed(measured):
    code, printed = measured()
    assert code == 1
    assert "not measured: src/*.py" in printed
