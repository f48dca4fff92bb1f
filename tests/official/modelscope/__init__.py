"""What modelscope's own tests of its hub need besides a hub."""
