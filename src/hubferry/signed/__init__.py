"""What a repository says of its own files: SHA256SUMS, and model.sig (OpenSSF model signing).

covered.py (pure: which files they are about) · reading.py (both, from a source) · signature.py (is it theirs)
"""
