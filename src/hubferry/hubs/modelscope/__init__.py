"""The ModelScope dialect."""
