"""A page that shows a running system and lets its owner act; needs the extra ``[web]``."""

from civitas.web.serving import Web

__all__ = ["Web"]
