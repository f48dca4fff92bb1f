"""The cache: plain directories of verified files, one a model."""
