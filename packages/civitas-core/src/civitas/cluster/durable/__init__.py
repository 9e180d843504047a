"""Mailboxes that a broker keeps: how messages get in, in order, and out again to whoever handles them."""

__all__: list[str] = []
