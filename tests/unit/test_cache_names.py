"""Directory names, and which of a hub's file names may become files."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubferry.cache.names import (
    Place,
    check_path,
    check_paths,
    dotted_name,
    plain_names,
    room_in,
    safe_name,
    suffixed_name,
)
from hubferry.errors import IntegrityError
from hubferry.model import RepoRef


def test_the_directory_is_named_as_the_scripts_always_named_it():
    assert safe_name("black-forest-labs/FLUX.1-dev") == "black_forest_labs_FLUX_1_dev"


def test_older_caches_kept_the_dot_and_are_looked_for_second():
    ref = RepoRef("hf", "black-forest-labs/FLUX.1-dev")
    assert plain_names(ref) == ("black_forest_labs_FLUX_1_dev", "black_forest_labs_FLUX.1_dev")


def test_a_name_without_a_dot_has_one_spelling():
    assert plain_names(RepoRef("hf", "a/b")) == ("a_b",)


@given(st.text(min_size=1, max_size=300))
def test_no_repository_name_can_leave_the_root(repo_id):
    for name in (safe_name(repo_id), dotted_name(repo_id), suffixed_name(RepoRef("hf", repo_id))):
        assert "/" not in name
        assert "\\" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert 0 < len(name.encode()) <= 255


def test_two_repositories_of_one_plain_name_differ_in_their_suffix():
    names = {suffixed_name(RepoRef("hf", name)) for name in ("a/b-c", "a-b/c", "a.b/c")}
    names |= {
        suffixed_name(RepoRef("ms", "a/b-c")),
        suffixed_name(RepoRef("hf", "a/b-c", repo_type="dataset")),
    }
    assert len(names) == 5


def test_a_suffixed_name_is_never_the_plain_name_of_another_repository():
    suffixed = suffixed_name(RepoRef("hf", "a/b-c"))
    assert safe_name(suffixed) != suffixed


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "a/../../evil",
        "a/..",
        "./a",
        "a/./b",
        "/etc/passwd",
        "C:/Windows/evil",
        "c:evil",
        "a\\b",
        "..\\evil",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "a\x7fb",
        "a\x85b",
        "\ud800",
        "",
        "a//b",
        "a/",
        "x" * 256,
        "é" * 128,
        "/".join(["x" * 100] * 40),
        ".hubferry/manifest.json",
        ".hubferry",
        ".HubFerry/lock",
        ".git/hooks/post-checkout",
        ".GIT/config",
    ],
)
def test_a_name_that_could_do_harm_is_refused_everywhere(path):
    with pytest.raises(IntegrityError) as refusal:
        check_path(path, windows=False)
    assert refusal.value.side == "source"
    assert refusal.value.path
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "config.json",
        ".gitattributes",
        "text_encoder/model-00001-of-00002.safetensors",
        "a/.git/config",
        "sub/.hubferry",
        "模型/权重.bin",
        "with space.txt",
        "..a/..b",
        "x" * 255,
        "onnx/model.onnx_data",
    ],
)
def test_an_ordinary_name_is_taken_everywhere(path):
    check_path(path, windows=False)
    check_path(path, windows=True)


@pytest.mark.parametrize(
    "path",
    ["aux.json", "sub/NUL", "con .txt", "com1", "LPT³.log", "a.", "dir /x", "a?b", 'a"b', "a|b", "x/a:b"],
)
def test_what_only_windows_cannot_store_is_refused_on_windows_alone(path):
    check_path(path, windows=False)
    with pytest.raises(IntegrityError):
        check_path(path, windows=True)


@given(st.text(alphabet="ab./\\\0~:\n é", max_size=20))
def test_whatever_is_accepted_stays_below_its_directory(path):
    try:
        check_path(path, windows=False)
    except IntegrityError:
        return
    joined = posixpath.normpath("/cache/model/" + path)
    assert joined == "/cache/model/" + path


def test_a_listing_that_names_a_file_twice_is_refused():
    with pytest.raises(IntegrityError, match="twice"):
        check_paths(["a", "b", "a"], place=Place(lambda: True))


def test_a_file_where_another_needs_a_directory_is_refused():
    with pytest.raises(IntegrityError, match="directory"):
        check_paths(["a", "a.txt", "a/b/c"], place=Place(lambda: True))


def test_twins_that_differ_in_case_are_refused_unless_the_disk_tells_them_apart():
    twins = ["README.md", "readme.md"]
    with pytest.raises(IntegrityError, match="case") as refusal:
        check_paths(twins, windows=False)
    assert refusal.value.path in twins
    check_paths(twins, windows=False, place=Place(lambda: True))
    with pytest.raises(IntegrityError):
        check_paths(twins, windows=True, place=Place(lambda: True))


def test_a_file_and_a_directory_that_differ_in_case_are_twins_too():
    with pytest.raises(IntegrityError):
        check_paths(["Data", "data/x"], windows=False)
    check_paths(["Data", "data/x"], windows=False, place=Place(lambda: True))


def test_twins_that_differ_in_unicode_composition_are_refused_even_where_case_counts():
    with pytest.raises(IntegrityError, match="Unicode"):
        check_paths(["caf\u00e9.txt", "cafe\u0301.txt"], windows=False, place=Place(lambda: True))


def test_the_disk_is_not_asked_about_case_when_no_two_names_need_it():
    def never():
        raise AssertionError

    check_paths(["a/b", "a/c", "d"], place=Place(never))


def test_paths_as_deep_as_any_repository_has_them_are_taken_and_deeper_ones_refused():
    check_path("/".join(["d"] * 127 + ["file"]))
    for path in ("/".join(["d"] * 128 + ["file"]), "d/" * 1_500 + "file"):
        with pytest.raises(IntegrityError) as refusal:
            check_path(path)
        assert "it is in more than 127 folders" in refusal.value.message


def test_a_path_that_fits_nowhere_below_the_model_is_refused_before_anything_is_fetched():
    directory = "/srv/" + "r" * 200 + "/models/" + "m" * 100
    room = room_in(directory, longest=1024)
    longest = ["p" * 99] * (room // 100) + ["q" * (room % 100)]
    path = "/".join(longest)
    assert len(path) == room
    check_paths([path], place=Place(room=room))
    assert len(f"{directory}/.hubferry/next/{path}\0") == 1024
    with pytest.raises(IntegrityError):
        check_paths([path + "q"], place=Place(room=room))


def test_a_short_name_leaves_room_for_the_hidden_one_that_takes_its_place():
    assert room_in("/c/m", longest=1024) == 1024 - len("/c/\0") - 64
    assert room_in("/c/m") == 3072
