"""How the notebooks look as HTML, as slides and in print.

    jupyter nbconvert --config=jupyter_nbconvert_config.py --to slides notebooks/*.ipynb

Pictures have alt text, no slide is taller than a projector's picture, and on paper no
line is cut off. Formulas and reveal.js, which moves the slides, come from the network.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tools"))
import show  # noqa: E402

c.HTMLExporter.preprocessors = [show.for_html]  # noqa: F821

c.SlidesExporter.preprocessors = [show.for_slides, show.for_html]  # noqa: F821
c.SlidesExporter.reveal_width = "1280"  # noqa: F821
c.SlidesExporter.reveal_height = "720"  # noqa: F821
c.SlidesExporter.reveal_number = "c/t"  # noqa: F821
c.SlidesExporter.exclude_input_prompt = True  # noqa: F821
c.SlidesExporter.exclude_output_prompt = True  # noqa: F821

c.WebPDFExporter.preprocessors = [show.for_html, show.for_print]  # noqa: F821
