"""Prove the length of what `torch.save` writes, in its zip and its older shape. No pickle is ever loaded.

The older shape, from torch's `serialization.py`: five pickles (magic, version, system, object, storage keys),
then for each key eight bytes of element count and the elements. The pickles are walked symbolically, opcode
by opcode; what an opcode would do is not done.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from hubferry.cache.formats.cursor import LARGEST_READ, cut_off, steps
from hubferry.cache.formats.flaw import Evidence, FlawError, UnclearError
from hubferry.i18n import _

if TYPE_CHECKING:
    from pickletools import OpcodeInfo
    from typing import BinaryIO

MAGIC = 0x1950A86A20F9469CFC6C
_STOP = b"."
_STORAGE_ID_LENGTH = 5
_MOST_OPCODES = 4_000_000
"""Opcodes of one pickle; real ones, of some ten thousand tensors, need a tenth of it."""
_ELEMENT_BYTES = {
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "QUInt8Storage": 1,
    "QInt8Storage": 1,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "ShortStorage": 2,
    "FloatStorage": 4,
    "IntStorage": 4,
    "DoubleStorage": 8,
    "LongStorage": 8,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}


def examine(file: BinaryIO, size: int) -> Evidence:
    """Prove the length of an older torch file; of any other pickle, that it has its last opcode.

    Raises:
        FlawError: It ends too early.
        UnclearError: Its pickles are too long for a quick look.
    """
    head = io.BytesIO(file.read(min(size, LARGEST_READ)))
    whole = size <= LARGEST_READ
    magic, _storages = _walk(head, whole=whole)
    if magic != MAGIC:
        file.seek(size - 1)
        if file.read(1) != _STOP:
            raise FlawError(_("is cut off: its pickle has no end"))
        return Evidence.PLAUSIBLE
    storages: dict[object, int] = {}
    for _pickle in range(4):
        storages.update(_walk(head, whole=whole)[1])
    end = head.tell() + sum(8 + count for count in storages.values())
    if size < end:
        raise cut_off(size, end)
    if size > end:
        raise FlawError(_("has {extra} bytes after its last tensor").format(extra=size - end))
    return Evidence.PROVEN


def _walk(head: io.BytesIO, *, whole: bool) -> tuple[object, dict[object, int]]:
    """Step over one pickle; return its first literal, and the bytes of each storage that it names.

    `whole` says whether `head` is all of the file, so that its end is the file's end.
    """
    import pickletools  # here, so that only old files pay for it

    stack: list[object] = []
    memo: dict[object, object] = {}
    storages: dict[object, int] = {}
    first: object = None
    counted = steps(_MOST_OPCODES)
    try:
        for opcode, argument, _position in pickletools.genops(head):
            counted.take()
            name = opcode.name
            if name == "BINPERSID":
                key, length = _storage(stack[-1])
                storages[key] = length
            if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
                memo[len(memo) if argument is None else argument] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            else:
                _step(stack, opcode, argument)
            if first is None:
                first = argument if name.startswith("LONG") else None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError):
        if whole:
            raise FlawError(_("is cut off: its pickle has no end")) from None
        raise UnclearError from None
    return first, storages


def _step(stack: list[object], opcode: OpcodeInfo, argument: object) -> None:
    """Do to the stack's shape what the opcode does, and keep literals and tuples."""
    import pickletools

    if pickletools.markobject in opcode.stack_before:
        taken = []
        while (top := stack.pop()) is not pickletools.markobject:
            taken.append(top)
        taken.reverse()
        below = opcode.stack_before.index(pickletools.markobject)
    else:
        below = len(opcode.stack_before)
        taken = stack[len(stack) - below :]
    if below:
        del stack[len(stack) - below :]
    for pushed in opcode.stack_after:
        if pushed is pickletools.markobject:
            stack.append(pushed)
        elif pushed is pickletools.pytuple:
            stack.append(tuple(taken))
        else:
            stack.append(argument)


def _storage(identity: object) -> tuple[object, int]:
    """Return the key and the bytes of a persistent id ("storage", type, key, location, count, view)."""
    if not isinstance(identity, tuple) or len(identity) < _STORAGE_ID_LENGTH or identity[0] != "storage":
        raise UnclearError
    named, key, count = identity[1], identity[2], identity[4]
    # Nothing is done with a tuple: one of tuples that hold the same one twice, and so on, is endless to read.
    if not isinstance(named, str) or not isinstance(key, (str, int)):
        raise UnclearError
    kind = named.rpartition(" ")[2]
    if kind not in _ELEMENT_BYTES or not isinstance(count, int) or count < 0:
        raise UnclearError
    return key, count * _ELEMENT_BYTES[kind]
