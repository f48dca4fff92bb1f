"""The Hugging Face dialect, as huggingface_hub 1.x and 2.x speak it."""
