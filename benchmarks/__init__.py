"""Measure hubferry and the other ways to copy a model, on one machine, over links shaped in the servers."""
