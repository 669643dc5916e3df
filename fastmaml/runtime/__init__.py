"""What stands under the kernels: compile flags, compiled dispatch, the disk cache, threads."""

from fastmaml.runtime.information import info

__all__ = ["info"]
