"""Types: the arrays that are passed around, for annotations alone.

Imported only while types are checked: numpy.typing takes time that no run needs to spend.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Words32: TypeAlias = NDArray[np.uint32]
Booleans: TypeAlias = NDArray[np.bool_]
