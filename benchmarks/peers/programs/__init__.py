"""The programs of the contestants, each for the environment of its peer."""
