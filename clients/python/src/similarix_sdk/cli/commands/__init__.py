"""The commands, one module for each subject; each registers its own."""
