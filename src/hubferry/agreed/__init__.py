"""A plan that was written down, to be carried out later as it stands or not at all.

document.py (the file: JSON lines, sealed) · holding.py (pure: does today's plan say the same?) · verbs.py
"""
