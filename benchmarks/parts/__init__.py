"""One file per part; each has ``TITLE`` and ``measure(stage)``. A new file is a new part."""
