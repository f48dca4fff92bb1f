"""The ModelScope dialect, as modelscope-hub 0.5 speaks it."""
