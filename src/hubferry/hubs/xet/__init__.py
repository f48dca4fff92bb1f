"""Hugging Face's chunked storage, by its own client."""
