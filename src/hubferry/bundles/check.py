#!/usr/bin/env python3
"""Check a bundle of `hubferry bundle`: which volumes and files are whole, missing or broken.

    python3 check.py [--verbose] [DIRECTORY-OR-VOLUME ...]

Without a directory it checks the one that it lies in. Needs nothing but Python 3.6 or newer, writes nothing,
and reads each volume once. Exit code 0 when everything is here and right, 1 when something is missing or
broken, 2 when there is nothing to check.
"""

import hashlib
import json
import os
import re
import stat
import sys

KIND = "hubferry-bundle"
SCHEMA = 1
BLOCK = 512
LARGEST_INDEX = 32 << 20
LARGEST_SUMS = 64 << 20
PIECE = 1 << 20
INDEX_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}/volume-(\d{4,6})\.json")
FILE_NAME = re.compile(r"(.+)-(\d{4,6})\.tar")


class Damaged(Exception):
    """A volume that cannot be believed."""


def padded(size):
    """Return what `size` bytes take in an archive."""
    return size + -size % BLOCK


def header(block):
    """Return name and size of a member by its header."""
    if len(block) < BLOCK or block[257:262] != b"ustar":
        raise Damaged("no tar archive")
    total = sum(block[:148]) + 8 * 32 + sum(block[156:BLOCK])
    try:
        if int(block[148:156].rstrip(b"\0 "), 8) != total:
            raise Damaged("a damaged header")
        return block[:100].rstrip(b"\0").decode("utf-8"), int(block[124:136].rstrip(b"\0 "), 8)
    except ValueError:
        raise Damaged("a damaged header")


def canonical(said):
    """Return JSON as its digest is taken."""
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def index_of(content):
    """Return what the JSON of an index says, if it is as it was written."""
    try:
        said = json.loads(content.decode("utf-8", "surrogatepass"))
        seal = said.pop("seal", None)
    except (ValueError, AttributeError, RecursionError):
        raise Damaged("its index is damaged")
    if said.get("kind") != KIND or seal != hashlib.sha256(canonical(said)).hexdigest():
        raise Damaged("its index is damaged")
    if said.get("schema") != SCHEMA:
        raise Damaged("of another version of hubferry, which this program does not know")
    return said


class Bundle:
    """A bundle of which some volumes are here."""

    def __init__(self, index, length):
        self.index = index
        self.payload = BLOCK + padded(length)
        self.volumes = {}
        self.files = {}
        for number, model in enumerate(index["models"]):
            for place, file in enumerate(model["files"]):
                self.files[number, place] = (model, file)

    def check(self, verbose):
        """Read every volume that is here; return a word for each volume and for each file."""
        hashes, trouble, volumes = {}, {}, {}
        for number, plan in enumerate(self.index["volumes"], 1):
            path = self.volumes.get(number)
            if path is None:
                volumes[number] = "missing"
                for piece in plan["pieces"]:
                    trouble.setdefault((piece[0], piece[1]), ("missing", number))
                continue
            if verbose:
                print("reading %s" % path, file=sys.stderr)
            volumes[number] = self.read(path, number, plan, hashes, trouble)
        for key, sha256 in hashes.items():
            if key not in trouble and sha256.hexdigest() != self.files[key][1].get("sha256"):
                trouble[key] = ("broken", None)
        return volumes, trouble

    def read(self, path, number, plan, hashes, trouble):
        """Hash the pieces of a volume; return what it is."""
        wrong = False
        try:
            with open(path, "rb") as stream:
                sums = self.sums(stream, number, plan)
                for place, piece in enumerate(plan["pieces"]):
                    key = (piece[0], piece[1])
                    whole = hashes.setdefault(key, hashlib.sha256())
                    found = self.piece(stream, piece, whole)
                    expected = sums[place] if place < len(sums) else None
                    file = self.files[key][1]
                    if piece[2] == 0 and piece[3] == file["size"]:
                        expected = file["sha256"]
                    if found is None or (expected is not None and found != expected):
                        trouble[key] = ("broken", number)
                        wrong = True
            return "broken" if wrong or len(sums) != len(plan["pieces"]) else "whole"
        except OSError as error:
            for piece in plan["pieces"]:
                trouble[piece[0], piece[1]] = ("broken", number)
            return "cannot be read: %s" % (error.strerror or error)

    def piece(self, stream, piece, whole):
        """Return what a piece hashes to, None where the volume is too short for it."""
        sha256 = hashlib.sha256()
        left = piece[3] - piece[2]
        stream.seek(self.payload + piece[4])
        while left > 0:
            data = stream.read(min(PIECE, left))
            if not data:
                return None
            sha256.update(data)
            whole.update(data)
            left -= len(data)
        return sha256.hexdigest()

    def sums(self, stream, number, plan):
        """Return what the volume itself says its pieces hash to; nothing where that is damaged."""
        try:
            stream.seek(self.payload + plan["length"])
            name, size = header(stream.read(BLOCK))
            if not name.endswith("volume-%04d.sha256" % number) or size > LARGEST_SUMS:
                return []
        except Damaged:
            return []
        lines = stream.read(size).splitlines()
        return [line.lstrip(b"\\").partition(b"  ")[0].decode("ascii", "replace") for line in lines]


def opened(path):
    """Return the number of a volume, and the bytes of its index."""
    with open(path, "rb") as stream:
        name, size = header(stream.read(BLOCK))
        match = INDEX_NAME.fullmatch(name)
        if match is None or size > LARGEST_INDEX:
            raise Damaged("no volume of a bundle")
        return int(match.group(1)), stream.read(size)


def candidates(places):
    """Yield the files that may be volumes."""
    for place in places:
        names = sorted(os.listdir(place)) if os.path.isdir(place) else [""]
        for name in names:
            path = os.path.join(place, name) if name else place
            if name and not name.endswith(".tar"):
                continue
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
            except OSError:
                pass  # opening it says why
            yield path


def found(places):
    """Return the bundles of which there are volumes in these places."""
    bundles, doubtful = {}, []
    for path in candidates(places):
        try:
            number, content = opened(path)
            if content not in bundles:
                bundles[content] = Bundle(index_of(content), len(content))
            if number <= len(bundles[content].index["volumes"]):
                old = bundles[content].volumes.get(number)
                if old is None or os.path.getsize(old) < os.path.getsize(path):
                    bundles[content].volumes[number] = path
        except (Damaged, OSError) as error:
            doubtful.append((path, error))
    for path, error in doubtful:
        match = FILE_NAME.fullmatch(os.path.basename(path))
        owners = [one for one in bundles.values() if match and one.index["name"] == match.group(1)]
        print("%s: %s" % (path, error), file=sys.stderr)
        for owner in owners:
            owner.volumes.setdefault(int(match.group(2)), path)
    return list(bundles.values()), bool(doubtful)


def report(bundle, verbose):
    """Check a bundle and print what it is; return whether all of it is here and right."""
    volumes, trouble = bundle.check(verbose)
    print("bundle %s: %d volumes" % (bundle.index["name"], len(volumes)))
    for number, word in sorted(volumes.items()):
        if verbose or word != "whole":
            print("  volume %04d  %s" % (number, word))
    for place, model in enumerate(bundle.index["models"]):
        wanted = {tuple(one[:2]) for volume in bundle.index["volumes"] for one in volume["pieces"]}
        keys = sorted(key for key in wanted if key[0] == place)
        bad = [key for key in keys if key in trouble]
        print(
            "  %s:%s at %s: %d of %d files whole"
            % (
                model["named"] or model["hub"],
                model["repo_id"],
                model["commit"][:12],
                len(keys) - len(bad),
                len(keys),
            )
        )
        for key in keys if verbose else bad:
            word, number = trouble.get(key, ("whole", None))
            where = " (volume %d)" % number if number else ""
            name = bundle.files[key][1]["path"].encode("unicode_escape").decode("ascii")
            print("    %-7s  %s%s" % (word, name, where))
    lacking = [str(number) for number, word in sorted(volumes.items()) if word != "whole"]
    if lacking:
        print(
            "again: hubferry bundle --like %s.json --only-volumes %s DIR"
            % (bundle.index["name"], ",".join(lacking))
        )
    return not lacking and not trouble


def main(words):
    """Check what the words name."""
    if any(word in ("-h", "--help") for word in words):
        print(__doc__)
        return 0
    verbose = any(word in ("-v", "--verbose") for word in words)
    places = [word for word in words if not word.startswith("-")]
    places = places or [os.path.dirname(os.path.abspath(__file__))]
    try:
        bundles, doubtful = found(places)
    except OSError as error:
        print("error: %s" % error, file=sys.stderr)
        return 2
    if not bundles:
        print("error: no volume of a bundle is there", file=sys.stderr)
        return 2
    good = [report(bundle, verbose) for bundle in bundles]
    print(
        "everything is here and right" if all(good) and not doubtful else "not everything is here and right"
    )
    return 0 if all(good) and not doubtful else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
