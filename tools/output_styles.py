"""Write custom/outputs.css: the styles of all tables and replies in one file.

Each output carries its own style. JupyterLab takes it away where it does not trust the
output, as in a lesson that was run in part and is opened again; the file stays.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from helpers import machine, tables  # noqa: E402
from helpers.instruments import init_lab  # noqa: E402
from helpers.instruments.registration import report  # noqa: E402
from helpers.instruments.trace_shapes import drawing  # noqa: E402

HOMES = (tables, machine, report, drawing, init_lab)
FILE = ROOT / "custom" / "outputs.css"
HEAD = "/* tools/output_styles.py writes this file from the styles in helpers. */\n"


def styles() -> str:
    """The text of the file."""
    rules = (
        home.STYLE.removeprefix("<style>").removesuffix("</style>") for home in HOMES
    )
    # Within JupyterLab's own class, since its rules are loaded later.
    return f"{HEAD}.jp-RenderedHTMLCommon {{{''.join(rules)}}}\n"


if __name__ == "__main__":
    FILE.write_text(styles())
