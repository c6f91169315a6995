"""How far back the market remembers its marks for a range."""

from typing import Final

#: Minutes that a window has at most; what is older is forgotten.
LONGEST_WINDOW: Final = 1_440
