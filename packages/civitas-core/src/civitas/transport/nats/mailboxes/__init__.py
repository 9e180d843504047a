"""Mailboxes in the streams of a NATS server with JetStream: put, read, and looked after by the root."""

from __future__ import annotations

from civitas.transport.nats.mailboxes.keeper import NatsMailboxKeeper
from civitas.transport.nats.mailboxes.mailboxes import NatsMailboxes
from civitas.transport.nats.mailboxes.names import MailboxNames

__all__ = ["MailboxNames", "NatsMailboxKeeper", "NatsMailboxes"]
