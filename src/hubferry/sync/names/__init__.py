"""The tags and branches of a repository, copied in the order of the source's history.

plan.py (pure: what is right, what is to be made, where, in which order, what cannot be)
look.py, places.py (asking both sides, which sides.py holds open, for what a plan is made of)
copy.py (a commit and a tag each, then the branch itself, then what goes beside it; then the proof)
"""

from hubferry.sync.names.copy import NamesResult, copy_names, look_ahead_at_names
from hubferry.sync.names.model import NamesPlan, NameStep, Place, Seen, Way
from hubferry.sync.names.plan import plan_names

__all__ = [
    "NameStep",
    "NamesPlan",
    "NamesResult",
    "Place",
    "Seen",
    "Way",
    "copy_names",
    "look_ahead_at_names",
    "plan_names",
]
