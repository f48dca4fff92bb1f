"""The tags and branches of a repository, copied in the order of the source's history.

rules.py, model.py, plan.py (pure: what is wanted, what is right, what is to be made, where, in which order)
look.py, places.py (asking both sides, which sides.py holds open, for what a plan is made of)
copy.py (a commit and a tag each, then the branch itself, then what goes beside it; then the proof)
verbs.py (copy and plan, with the names that options ask for)
"""
