"""A settings line that was typed or pasted into a lab."""

import re
from collections.abc import Callable

from helpers.language import AND, COMMA, tr
from helpers.model import INITS
from helpers.training import Config, as_word

NO_SETTINGS = tr("An empty line holds no settings, so nothing has changed.")
TWICE = tr("{name} is given twice, as {values}; keep one of them.")
NO_SUCH_INIT = tr("The lab has no init {value!r}; it has: {known}.")


def read_settings(text: str, kind: type[Config], own_init: Callable | None) -> Config:
    """The Config of a settings line; ValueError with a sentence that helps in a lab."""
    text = re.sub(r"\s*=\s*", "=", text)
    pairs = [part.partition("=") for part in text.replace(",", " ").split()]
    if not pairs:
        raise ValueError(NO_SETTINGS)
    inits = [as_word(init) for init in (*INITS, own_init) if init]
    inits += map(as_word, kind.options.get("init", ()))
    for name, _, value in pairs:
        values = [other for one, _, other in pairs if one == name]
        if len(values) > 1:
            raise ValueError(TWICE.format(name=name, values=AND.join(values)))
        if name == "init" and value and value not in inits:
            known = COMMA.join(inits)
            raise ValueError(NO_SUCH_INIT.format(value=value, known=known))
    return kind.from_string(text, own_init)
