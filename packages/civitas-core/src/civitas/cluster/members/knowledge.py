"""What the root told each process: who knows a name, or another process, hears what becomes of it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from civitas.cluster.peers import Peer

__all__ = ["Knowledge"]


class Knowledge:
    """Who knows which names, and which other processes.

    It grows with what is used, and not with agents times processes.

    Args:
        peers: The processes that are there, by boot id.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._names: dict[str, dict[str, None]] = {}
        """The names that a process knows, by its boot id."""
        self._knowing: dict[str, dict[str, None]] = {}
        """The boot ids of the processes that know a name."""
        self._met: dict[str, dict[str, None]] = {}
        """The boot ids of those that a process has met: one that is introduced to another shows itself there."""
        self._leaving: set[str] = set()

    # Names.

    def learns(self, peer: Peer, name: str) -> None:
        """A process is told where a name is."""
        self._names.setdefault(peer.boot, {})[name] = None
        self._knowing.setdefault(name, {})[peer.boot] = None

    def forgets(self, peer: Peer, names: Iterable[str]) -> None:
        """A process does not know these any more."""
        known = self._names.get(peer.boot, {})
        for name in names:
            if name in known:
                del known[name]
                self._drop(name, peer.boot)

    def who_knows(self, name: str) -> list[Peer]:
        """The processes that were told where a name is."""
        return self._there(self._knowing.get(name, ()))

    def forget(self, name: str) -> None:
        """A name is gone."""
        for boot in self._knowing.pop(name, ()):
            self._names[boot].pop(name, None)

    # Other processes.

    def introduce(self, peer: Peer, boot: str | None) -> None:
        """Introduce to a process another that hosts an agent it uses, if it has not met that."""
        other = self._peers.get(boot or "")
        if other is None or other is peer or other.boot in self._met.get(peer.boot, ()):
            return
        peer.cast("met", other.name, other.boot, other.address)
        self.have_met(peer, other.boot)

    def have_met(self, peer: Peer, boot: str) -> bool:
        """Two processes have met already, when another root led; False if the other one is not there."""
        other = self._peers.get(boot)
        if other is None:
            return False
        for one, another in ((peer, other), (other, peer)):
            self._met.setdefault(one.boot, {})[another.boot] = None
        return True

    async def wants_to_meet(self, peer: Peer, boot: str) -> None:
        """A process has something from another one, and does not know it.

        It is told even if that other one was told already, and so is about to introduce itself: whom this process does
        not know when it has its answer, it takes for gone.
        """
        other = self._peers.get(boot)
        if other is not None and other is not peer:
            peer.cast("met", other.name, other.boot, other.address)
            self.have_met(peer, boot)

    def acquaintances(self, boot: str) -> list[Peer]:
        """The processes that have met one."""
        return self._there(self._met.get(boot, ()))

    def leaves(self, boot: str) -> None:
        """A process is about to leave: who has met it, or meets it now, keeps what comes for its agents."""
        self._leaving.add(boot)
        for each in self.acquaintances(boot):
            each.cast("leaving", boot)

    def is_leaving(self, boot: str | None) -> bool:
        """Whether a process is about to leave."""
        return boot in self._leaving

    def left(self, boot: str) -> None:
        """A process is gone, with all that it knew."""
        self._leaving.discard(boot)
        for name in self._names.pop(boot, ()):
            self._drop(name, boot)
        for other in self._met.pop(boot, ()):
            self._met[other].pop(boot, None)

    def _there(self, boots: Iterable[str]) -> list[Peer]:
        return [self._peers[boot] for boot in boots if boot in self._peers]

    def _drop(self, name: str, boot: str) -> None:
        knowing = self._knowing[name]
        knowing.pop(boot, None)
        if not knowing:
            del self._knowing[name]
