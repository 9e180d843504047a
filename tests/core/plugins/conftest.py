"""One environment for all tests of the sample plugins, where each interpreter finds all of them; and their servers."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.plugins.samples import ON_SERVERS, SAMPLES, environment
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

names = (f"t{number}" for number in itertools.count())

BROKEN = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "civitas-broken"
version = "0.9.0"

[project.entry-points.civitas]
broken = "civitas_broken.plugin"
""",
    "civitas_broken/__init__.py": "",
    "civitas_broken/plugin.py": "raise RuntimeError('no luck')\n",
}


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has every sample, and a plugin that cannot be loaded."""
    place = tmp_path_factory.mktemp("samples")
    broken = place / "broken"
    for name, text in BROKEN.items():
        file = broken / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return environment(place, *SAMPLES, broken)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.close()


@pytest.fixture
def own_redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may kill."""
    server = RedisServer(tmp_path).start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_data() -> Iterator[Path]:
    # Its client is in environment A alone.
    from tests.postgres_server import new_database

    with new_database() as data:
        yield data


@pytest.fixture(scope="session")
def postgres_server(postgres_data: Path) -> Iterator[PostgresServer]:
    from tests.postgres_server import PostgresServer

    server = PostgresServer(postgres_data).start()
    yield server
    server.close()


@pytest.fixture
def own_postgres_server(postgres_data: Path) -> Iterator[PostgresServer]:
    """One that a test may kill."""
    from tests.postgres_server import PostgresServer

    server = PostgresServer(postgres_data).start()
    yield server
    server.close()


@dataclass
class Kind:
    """One of the stores, and its server."""

    name: str
    server: Any
    make: Callable[..., Any]


@pytest.fixture(params=list(ON_SERVERS))
def kind(request, monkeypatch) -> Kind:
    name = request.param.removeprefix("own_")
    server = request.getfixturevalue(f"{request.param}_server")
    (sample,) = (each for each in SAMPLES if each.name == f"plugin-{name}")
    monkeypatch.syspath_prepend(sample / "src")
    module = importlib.import_module(f"civitas_{name}")
    return Kind(name, server, getattr(module, f"{name.title()}StateStore"))


@pytest.fixture
async def make_store(kind) -> AsyncIterator[Callable[..., Any]]:
    """Makes stores on the same data, and closes them in the end."""
    made: list[Any] = []
    own = {"prefix": f"{next(names)}:"} if kind.name == "redis" else {"table": next(names)}

    def make(url: str = kind.server.url, **keywords: Any) -> Any:
        made.append(kind.make(url, **{**own, **keywords}))
        return made[-1]

    yield make
    for store in made:
        await store.close()
