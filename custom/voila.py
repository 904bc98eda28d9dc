"""The lessons as pages: `make page`. Voila looks for a file of this name.

Code is shown, since it is what the lessons are about, and so are the errors that some
cells raise on purpose. Answers wait for a click, and exercises are left out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import show  # noqa: E402

c.VoilaExporter.preprocessors = [show.for_page]  # noqa: F821
c.VoilaConfiguration.strip_sources = False  # noqa: F821
c.VoilaConfiguration.show_tracebacks = True  # noqa: F821
c.VoilaConfiguration.show_margins = True  # noqa: F821
