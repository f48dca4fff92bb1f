"""How the ModelScope dialect describes files and folders, those of a mirror as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubferry.serve.records import CommitHead, FileRecord


def folder_entry(path: str, tree_id: str) -> dict[str, object]:
    """Describe a folder as a listing does."""
    return {
        "Path": path,
        "Name": path.rpartition("/")[2],
        "Type": "tree",
        "Size": 0,
        "Sha256": "",
        "Id": tree_id,
        "IsLFS": False,
    }


def file_entry(path: str, file: FileRecord, last: CommitHead) -> dict[str, object]:
    """Describe a file as a listing does, with the commit that changed it last."""
    return {
        "Path": path,
        "Name": path.rpartition("/")[2],
        "Type": "blob",
        "Size": file.size,
        "Sha256": file.sha256,
        "Id": file.git_sha1,
        "IsLFS": file.lfs,
        "Mode": "100644",
        "Revision": last.id,
        "CommitId": last.id,
        "CommitMessage": last.title,
        "CommittedDate": int(last.time),
        "CommitterName": last.author,
        "InCheck": False,
    }


def latest_commit(last: CommitHead) -> dict[str, object]:
    """Describe the commit of a listing."""
    return {
        "Id": last.id,
        "Message": last.title,
        "CreatedAt": int(last.time),
        "CommitterName": last.author,
    }
