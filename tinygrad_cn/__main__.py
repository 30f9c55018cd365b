"""``python -m tinygrad_cn`` is ``tinygrad-cn``."""

import sys

from tinygrad_cn.cli import main

sys.exit(main())
