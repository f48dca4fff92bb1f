"""What is asked for once for all, in the configuration file, is held to when a destination is created."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubferry import admission
from hubferry.errors import UsageError
from hubferry.model import Limits, NewRepository, Plan, RepoRef, Revision
from hubferry.options import Options

SOURCE = Revision(RepoRef("hf", "org/model"), "c" * 40)
ABSENT = Revision(RepoRef("ms", "mine/model"), "", exists=False)
PRIVATE = Options(new_visibility="private")


def planned(options, there=ABSENT):
    return admission.judged(Plan(SOURCE, there, (), Limits(1, 0, 0)), options)


def test_a_new_destination_is_as_the_default_says_unless_this_copy_says_otherwise():
    assert planned(PRIVATE).new == NewRepository("private")
    assert planned(replace(PRIVATE, visibility="public")).new == NewRepository("public")
    assert planned(Options()).new == NewRepository("public")


def test_a_default_says_nothing_of_a_destination_that_is_there():
    assert planned(PRIVATE, replace(ABSENT, exists=True)).findings == ()


def test_a_hub_that_creates_it_public_all_the_same_gets_nothing():
    plan = planned(PRIVATE)
    options = admission.created(plan, PRIVATE)
    with pytest.raises(UsageError) as caught:
        admission.refuse(planned(options, replace(ABSENT, exists=True)), options, (admission.VISIBILITY,))
    assert caught.value.side == "destination"
    admission.refuse(planned(options, replace(ABSENT, exists=True, private=True)), options)


def test_a_branch_that_is_made_changes_nothing_about_its_repository():
    plan = planned(PRIVATE, replace(ABSENT, branchless=True))
    assert admission.created(plan, PRIVATE) == PRIVATE
