"""A page that shows a running system and lets its owner act; needs the extra ``[web]``."""

from civitas.web.serving import Web, check_extra

__all__ = ["Web", "check_extra"]
