"""A weight file's own tables say how long it has to be, and no file makes the look at it dangerous."""

from __future__ import annotations

import contextlib
import json
import os
import pickletools
import struct
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests import models

from hubferry.cache.formats import Evidence, FlawError, cursor, examine, pytorch, safetensors


def write_npz(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(3000))
        archive.comment = b"made by a test"


def write_hdf5(path, size):
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    addresses = struct.pack("<QQQQ", 0, 2**64 - 1, size, 2**64 - 1)
    models.write_file(path, (head + addresses).ljust(size, b"\7"))


def write_tar(path):
    import tarfile

    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "weights.ckpt")


def write_openvino(path, size):
    text = f'<net><layer><data element_type="f32" shape="8, 128" offset="0" size="{size}" /></layer></net>'
    models.write_file(path.with_suffix(".xml"), text)
    models.write_file(path, b"\1" * size)


def msgpack(value):
    if isinstance(value, dict):
        pairs = [msgpack(key) + msgpack(item) for key, item in value.items()]
        return bytes([0x80 + len(pairs)]) + b"".join(pairs)
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(msgpack, value))
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, str):
        return bytes([0xA0 + len(value)]) + value.encode()
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    return b"\xc0" if value is None else bytes([value])


PROVABLE = {
    "model.safetensors": lambda path: models.write_safetensors(path, {"a": 1000, "b": 24}),
    "model.gguf": lambda path: models.write_gguf(path, {"a": 1000, "b": 64}),
    "zip.bin": lambda path: models.write_pytorch_zip(path, 4000),
    "legacy.bin": lambda path: models.write_legacy_pytorch(path, [400, 1200]),
    "model.onnx": lambda path: models.write_onnx(path, 4000),
    "model.npz": write_npz,
    "model.h5": lambda path: write_hdf5(path, 5000),
    "model.msgpack": lambda path: models.write_file(
        path, msgpack({"a": bytes(3000), "b": [1, 2.5, None, "x"]})
    ),
    "model.nemo": write_tar,
    "saved_model.pb": lambda path: models.write_onnx(path, 400),
    "openvino_model.bin": lambda path: write_openvino(path, 4096),
}


def look(path):
    return examine(path, path.stat().st_size)


@pytest.mark.parametrize("name", PROVABLE)
def test_a_sound_file_accounts_for_its_length(tmp_path, name):
    PROVABLE[name](tmp_path / name)
    assert look(tmp_path / name) is Evidence.PROVEN


@pytest.mark.parametrize("name", sorted(PROVABLE.keys() - {"saved_model.pb"}))
def test_a_file_that_is_cut_off_anywhere_near_its_end_is_refused(tmp_path, name):
    path = tmp_path / name
    PROVABLE[name](path)
    size = path.stat().st_size
    for missing in (1, 2, size // 2, size - 9, size - 1, size):
        os.truncate(path, max(0, size - missing))
        with pytest.raises(FlawError):
            look(path)
        PROVABLE[name](path)


@pytest.mark.parametrize("name", ["model.safetensors", "legacy.bin", "model.msgpack"])
def test_bytes_after_the_end_are_refused(tmp_path, name):
    path = tmp_path / name
    PROVABLE[name](path)
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(FlawError, match="after its last tensor"):
        look(path)


def header(path, value, room=0):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return models.write_file(path, struct.pack("<Q", len(text)) + text + bytes(room))


def tensor(start, stop, shape=None, dtype="U8"):
    return {
        "dtype": dtype,
        "shape": shape if shape is not None else [stop - start],
        "data_offsets": [start, stop],
    }


HOSTILE = {
    "overlap": ({"a": tensor(0, 6), "b": tensor(4, 8)}, 8),
    "gap": ({"a": tensor(0, 2), "b": tensor(4, 8)}, 8),
    "not from zero": ({"a": tensor(4, 8)}, 8),
    "backwards": ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}}, 4),
    "negative": ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [-4, 0]}}, 0),
    "beyond the end": ({"a": tensor(0, 2**62)}, 8),
    "no offsets": ({"a": {"dtype": "U8", "shape": [4]}}, 4),
    "floats": ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0.0, 4.0]}}, 4),
    "booleans": ({"a": {"dtype": "U8", "shape": [1], "data_offsets": [False, True]}}, 1),
    "three offsets": ({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 2, 4]}}, 4),
    "shape too small": ({"a": tensor(0, 8, [7])}, 8),
    "shape too large": ({"a": tensor(0, 8, [2**62] * 500)}, 8),
    "negative shape": ({"a": tensor(0, 8, [-8])}, 8),
    "no shape": ({"a": tensor(0, 8, "8")}, 8),
    "tensor is a list": ({"a": [0, 8]}, 8),
    "a list": (b"[1, 2]", 0),
    "bad JSON": (b'{"a": ', 0),
    "not UTF-8": (b'{"\xff": 1}', 0),
    "deep": (b'{"a":' + b"[" * 100_000, 0),
    "endless number": (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,' + b"9" * 5000 + b"]}}", 1),
    "trailing bytes": ({"a": tensor(0, 4)}, 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_safetensors_header_is_refused(tmp_path, name):
    value, room = HOSTILE[name]
    with pytest.raises(FlawError):
        look(header(tmp_path / "x.safetensors", value, room))


def test_a_header_of_absurd_length_is_refused_without_reading_it(tmp_path):
    path = models.write_file(tmp_path / "x.safetensors", struct.pack("<Q", 2**63) + b"{}")
    with path.open("r+b") as file:
        file.truncate(2**40)
    tracemalloc.start()
    with pytest.raises(FlawError, match="absurd"):
        look(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_very_long_header_is_only_scanned(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(safetensors, "LARGEST_PARSED", 1000)
    monkeypatch.setattr(safetensors, "_PIECE", 333)
    monkeypatch.setattr(safetensors.json, "loads", None)
    value = {f"layer.{number}": tensor(7 * number, 7 * number + 7) for number in range(200)}
    path = header(tmp_path / "x.safetensors", value, 1400 - missing)
    if missing:
        with pytest.raises(FlawError, match="cut off"):
            look(path)
    else:
        assert look(path) is Evidence.PROVEN


@pytest.mark.parametrize(
    "change", [(b"[7, 14]", b"[7, 15]"), (b"[7, 14]", b"[9, 14]"), (b"[7, 14]", b"[9, 7]")]
)
def test_a_very_long_header_has_no_gaps_either(tmp_path, monkeypatch, change):
    monkeypatch.setattr(safetensors, "LARGEST_PARSED", 1000)
    value = {f"layer.{number}": tensor(7 * number, 7 * number + 7) for number in range(200)}
    text = json.dumps(value).encode().replace(*change)
    with pytest.raises(FlawError, match="overlap or leave a gap"):
        look(header(tmp_path / "x.safetensors", text, 1400))


def test_an_empty_tensor_and_an_empty_model_are_sound(tmp_path):
    value = {"__metadata__": {"format": "pt"}, "a": tensor(0, 0, [0, 5]), "b": tensor(0, 4)}
    assert look(header(tmp_path / "a.safetensors", value, 4)) is Evidence.PROVEN
    assert look(header(tmp_path / "b.safetensors", {})) is Evidence.PROVEN


def test_four_bit_tensors_count_half_bytes(tmp_path):
    assert look(header(tmp_path / "a.safetensors", {"a": tensor(0, 4, [8], "F4")}, 4)) is Evidence.PROVEN


def test_an_unknown_number_type_is_not_held_against_its_shape(tmp_path):
    assert look(header(tmp_path / "a.safetensors", {"a": tensor(0, 4, [99], "NEW")}, 4)) is Evidence.PROVEN


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n",
            "LFS pointer",
        ),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"  <HTML>", "web page"),
        (b"Entry not found", "short text"),
        (b"", "empty"),
    ],
)
@pytest.mark.parametrize("name", ["a.safetensors", "a.bin", "a.gguf", "a.onnx", "a.h5"])
def test_what_is_no_weights_at_all_is_named(tmp_path, name, content, sentence):
    with pytest.raises(FlawError, match=sentence):
        look(models.write_file(tmp_path / name, content))


def test_a_pickle_is_walked_and_never_run(tmp_path):
    command = b"cos\nsystem\n(S'touch %s'\ntR." % str(tmp_path / "ran").encode()
    path = models.write_file(tmp_path / "evil.bin", b"\x80\x02" + command)
    assert look(path) is Evidence.PLAUSIBLE
    legacy = models.write_legacy_pytorch(tmp_path / "legacy.bin", [400])
    content = legacy.read_bytes()
    legacy.write_bytes(content[:14] + content[14:].replace(b"}", command[:-1], 1))
    look(legacy)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_promises_a_giant_string_allocates_nothing(tmp_path):
    path = models.write_file(tmp_path / "a.bin", b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"x" * 5000)
    tracemalloc.start()
    with pytest.raises(FlawError):
        look(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_pickle_of_tuples_that_hold_one_another_twice_is_not_read_to_its_end(tmp_path):
    """Sixty times a tuple of the last one twice, as the type or the key of a storage: 2^60 words."""
    doubled = b"K\1q\0" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    word, count = b"X\7\0\0\0storage", b"K\4"
    for fields in ((b"h\x3c", b"X\1\0\0\0k"), (b"ctorch\nFloatStorage\n", b"h\x3c")):
        storage = doubled + b"(" + word + b"".join(fields) + b"X\3\0\0\0cpu" + count + b"N" + b"tQ."
        head = b"\x80\x02\x8a\x0a" + pytorch.MAGIC.to_bytes(10, "little") + b"."
        path = models.write_file(tmp_path / "a.bin", head + b"\x80\x02K\1." * 2 + b"\x80\x02" + storage)
        assert look(path) is Evidence.PLAUSIBLE


def test_the_marks_of_a_pickle_cost_what_lies_above_them_however_deep_the_stack_is():
    class Stack(list):
        touched = 0

        def __getitem__(self, at):
            found = super().__getitem__(at)
            Stack.touched += len(found) if isinstance(at, slice) else 1
            return found

    named = {opcode.name: opcode for opcode in pickletools.opcodes}
    stack = Stack([0] * 100_000)
    for _time in range(100):
        for name in ("MARK", "BININT1", "BININT1", "TUPLE", "POP"):
            pytorch._step(stack, named[name], 1)
    assert len(stack) == 100_000
    assert Stack.touched < 1_000


def test_an_onnx_model_says_what_it_needs_beside_it(tmp_path):
    path = models.write_onnx(tmp_path / "model.onnx", 4000, external="model.onnx_data")
    needed = {}
    assert examine(path, path.stat().st_size, needed=needed) is Evidence.PROVEN
    assert needed == {"model.onnx_data": 4000}


def test_a_gguf_of_a_newer_quantization_is_plausible(tmp_path):
    path = models.write_gguf(tmp_path / "a.gguf", {"a": 64})
    content = path.read_bytes()
    at = content.index(struct.pack("<QIQ", 32, 1, 0))
    path.write_bytes(content[:at] + struct.pack("<QIQ", 32, 999, 0) + content[at + 20 :])
    assert look(path) is Evidence.PLAUSIBLE


def test_a_big_endian_gguf_is_read(tmp_path):
    name = struct.pack(">Q", 1) + b"a"
    info = name + struct.pack(">IQIQ", 1, 16, 1, 0)
    head = b"GGUF" + struct.pack(">IQQ", 3, 1, 0) + info
    path = models.write_file(tmp_path / "a.gguf", head.ljust(64 + 32, b"\0"))
    assert look(path) is Evidence.PROVEN
    os.truncate(path, 95)
    with pytest.raises(FlawError):
        look(path)


@pytest.mark.parametrize("count", [2**40, 2**63])
def test_a_gguf_that_promises_endless_tables_ends_soon(tmp_path, count):
    head = struct.pack("<4sIQQ", b"GGUF", 3, count, count)
    with pytest.raises(FlawError):
        look(models.write_file(tmp_path / "a.gguf", head + bytes(5000)))


def test_an_archive_with_long_offsets_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in "abc":
            archive.writestr(name, bytes(5000))
    assert b"PK\6\6" in path.read_bytes()
    assert look(path) is Evidence.PROVEN
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(FlawError):
        look(path)


def long_archive(path, *, locator=b"PK\6\7", end=b"PK\6\6", offset=None):
    """An archive whose directory is found only by the long records, as those over 4 GiB are."""
    name, content = b"a.npy", b"x" * 50
    member = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 50, 50, 5, 0) + name + content
    extra = struct.pack("<HHB", 7, 1, 0) + struct.pack("<HH3Q", 1, 24, 50, 50, 0)
    full = 2**32 - 1
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, full, full, 5, len(extra), 0, 0, 0, 0, full
    )
    directory = entry + name + extra
    long_end = struct.pack("<4sQ2H2L4Q", end, 44, 45, 45, 0, 0, 1, 1, len(directory), len(member))
    where = len(member) + len(directory) if offset is None else offset
    tail = struct.pack("<4sLQL", locator, 0, where, 1)
    tail += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, full, full, 0)
    return models.write_file(path, member + directory + long_end + tail)


def test_an_archive_of_long_records_only_is_read(tmp_path):
    assert look(long_archive(tmp_path / "a.npz")) is Evidence.PROVEN
    for changes in ({"locator": b"none"}, {"end": b"none"}, {"offset": 2**60}):
        with pytest.raises(FlawError, match="damaged archive"):
            look(long_archive(tmp_path / "a.npz", **changes))


@pytest.mark.parametrize("field", [(b"PK\1\2", b"XXXX"), (struct.pack("<L", 3000), struct.pack("<L", 2**31))])
def test_a_damaged_archive_directory_is_refused(tmp_path, field):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.npy", bytes(3000))
    content = path.read_bytes()
    path.write_bytes(content[:3000] + content[3000:].replace(*field))
    with pytest.raises(FlawError, match="damaged archive"):
        look(path)


def test_an_archive_with_long_records_and_no_room_for_them_is_refused(tmp_path):
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 0, 0, 0)
    with pytest.raises(FlawError, match="damaged archive"):
        look(models.write_file(tmp_path / "a.npz", b"PK\3\4" + b"\xff" + end))


def test_an_end_record_inside_a_comment_is_not_taken_for_the_real_one(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(3000))
        archive.comment = b"PK\5\6" + b"x" * 40
    assert look(path) is Evidence.PROVEN


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.gguf", struct.pack("<4sIQQ", b"GGUF", 1, 0, 0) + b"\xff" * 20),
        ("a.h5", b"no superblock" + b"\xff" * 60),
        ("a.nemo", b"\x1f\x8b" + b"\xff" * 900),
        ("a.bin", b"\xff" * 100),
        ("a.bin", b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\2U\1aQ." * 4),
    ],
)
def test_what_proves_nothing_is_plausible(tmp_path, name, content):
    assert look(models.write_file(tmp_path / name, content)) is Evidence.PLAUSIBLE


def test_weights_beside_a_description_without_places_are_plausible(tmp_path):
    models.write_file(tmp_path / "a.xml", "<net/>")
    assert look(models.write_file(tmp_path / "a.bin", b"\xff" * 100)) is Evidence.PLAUSIBLE


@pytest.mark.parametrize("version", [2, 3])
def test_a_newer_hdf5_superblock_is_read(tmp_path, version):
    head = b"\x89HDF\r\n\x1a\n" + bytes([version, 8, 8, 0]) + struct.pack("<QQQQ", 0, 2**64 - 1, 900, 48)
    path = models.write_file(tmp_path / "a.h5", head.ljust(900, b"\7"))
    assert look(path) is Evidence.PROVEN
    os.truncate(path, 899)
    with pytest.raises(FlawError, match="cut off: 899 bytes, and 900"):
        look(path)


@pytest.mark.parametrize(
    "table",
    [
        struct.pack("<Q", 1) + b"k" + struct.pack("<I", 99),
        struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9) + struct.pack("<IQ", 9, 2) * 6,
    ],
)
def test_a_gguf_value_of_an_unknown_kind_is_refused(tmp_path, table):
    head = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
    with pytest.raises(FlawError, match="unknown kind"):
        look(models.write_file(tmp_path / "a.gguf", head + table + bytes(500)))


def test_a_gguf_tensor_of_many_dimensions_is_refused(tmp_path):
    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, 0) + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 10**6)
    with pytest.raises(FlawError, match="makes no sense"):
        look(models.write_file(tmp_path / "a.gguf", head + bytes(500)))


def test_a_gguf_name_of_giant_length_allocates_nothing(tmp_path):
    path = models.write_file(tmp_path / "a.gguf", struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**31) + b"\xff")
    with path.open("r+b") as file:
        file.truncate(2**32)
    tracemalloc.start()
    assert look(path) is Evidence.PLAUSIBLE
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_walk_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(cursor, "MOST_STEPS", 50)
    assert look(models.write_file(tmp_path / "a.msgpack", b"\xdc\1\0" + b"\xc0" * 256)) is Evidence.PLAUSIBLE


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.msgpack", b"\xc1" + b"\xff" * 9),
        ("a.pb", b"\x0f" + b"\xff" * 30),
        ("a.pb", b"\xff" * 30),
        ("a.pb", b"\x0d\xff\xff"),
    ],
)
def test_fields_that_make_no_sense_are_refused(tmp_path, name, content):
    with pytest.raises(FlawError):
        look(models.write_file(tmp_path / name, content))


def test_a_file_that_shrinks_while_it_is_looked_at_is_refused(tmp_path):
    path = models.write_gguf(tmp_path / "a.gguf", {"a": 64})
    size = path.stat().st_size
    os.truncate(path, 60)
    with pytest.raises(FlawError):
        examine(path, size)
    short = models.write_file(tmp_path / "a.safetensors", struct.pack("<Q", 2**25) + b"{")
    with pytest.raises(FlawError):
        examine(short, 2**26)


NAMES = ["a.safetensors", "a.gguf", "a.bin", "a.onnx", "a.h5", "a.msgpack", "a.npz", "a.pb", "a.nemo"]
STARTS = [
    b"",
    b"GGUF\3\0\0\0",
    b"PK\3\4",
    b"\x80\2",
    b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x89HDF\r\n\x1a\n",
]


@settings(max_examples=120, deadline=None)
@given(some.sampled_from(NAMES), some.sampled_from(STARTS), some.binary(max_size=300))
def test_no_bytes_make_a_look_crash(tmp_path_factory, name, start, rest):
    path = models.write_file(tmp_path_factory.getbasetemp() / name, start + rest)
    with contextlib.suppress(FlawError):
        assert look(path) in Evidence


@settings(max_examples=80, deadline=None)
@given(some.sampled_from(sorted(PROVABLE)), some.data())
def test_no_damaged_byte_makes_a_look_crash(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / name
    PROVABLE[name](path)
    content = bytearray(path.read_bytes())
    for _number in range(data.draw(some.integers(1, 5))):
        content[data.draw(some.integers(0, min(400, len(content) - 1)))] = data.draw(some.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(FlawError):
        assert look(path) in Evidence
