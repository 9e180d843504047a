"""Providers that the OTEL_* variables ask for, each in a fresh interpreter: OpenTelemetry takes only one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ONE_SPAN = """
import sys
from civitas.telemetry.setup import setup_from_environment
from civitas.telemetry import Tracing

installed = setup_from_environment("shop")
tracing = Tracing()
tracing.refresh()
if tracing.active:
    tracing.start_send("agent", "question", "id", None).end()
if tracing.metrics.active:
    tracing.metrics.crashed("agent", "ValueError")
print("state", installed.tracing, tracing.active, installed.metrics, tracing.metrics.active)
print("out", installed.flush())
"""


def run(script: str = ONE_SPAN, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


class Collector:
    """A collector on loopback: what was posted, by path."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.received.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.stop()


@pytest.mark.promise(id="SEM-613")
def test_nothing_asked_for_is_nothing_installed_and_nothing_imported():
    done = run(
        "import sys\n"
        "from civitas.telemetry.setup import setup_from_environment\n"
        "installed = setup_from_environment()\n"
        "assert not installed.tracing and not installed.metrics and installed.flush()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_an_endpoint_is_enough_for_traces_and_metrics_over_otlp(collector):
    done = run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert done.stdout == "state True True True True\nout True\n", done.stderr
    received = dict(collector.received)
    assert b"send agent" in received["/v1/traces"]
    assert b"civitas.agent.crashes" in received["/v1/metrics"]
    assert b"shop" in received["/v1/traces"]  # service.name


def test_each_signal_can_have_its_own_exporter(collector):
    done = run(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="none",
    )
    assert done.stdout == "state True True False False\nout True\n", done.stderr
    assert {path for path, _ in collector.received} == {"/v1/traces"}


def test_the_console_exporter_prints_spans():
    done = run(OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="mine")
    span = json.loads(done.stdout[: done.stdout.index("\nstate")])
    assert span["name"] == "send agent"
    assert span["resource"]["attributes"]["service.name"] == "mine"


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
    ids=["none", "disabled", "empty"],
)
def test_what_is_switched_off_stays_off(variables):
    done = run(**variables)
    assert done.stdout == "state False False False False\nout True\n", done.stderr


def test_the_sampler_follows_its_own_variable():
    done = run(OTEL_TRACES_EXPORTER="console", OTEL_TRACES_SAMPLER="always_off")
    assert done.stdout == "state True True False False\nout True\n", done.stderr


def test_the_applications_own_provider_is_left_alone(collector):
    done = run(
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "mine = TracerProvider(); trace.set_tracer_provider(mine)\n"
        + ONE_SPAN
        + "assert trace.get_tracer_provider() is mine\n",
        OTEL_TRACES_EXPORTER="console",
    )
    assert done.stdout == "state False True False False\nout True\n", done.stderr


@pytest.mark.promise(id="SEM-1707")
def test_a_provider_that_the_application_sets_up_later_takes_the_place_of_the_environments():
    done = run(
        ONE_SPAN
        + """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))
assert trace.get_tracer_provider() is provider
tracing.look()
tracing.start_send("later", "question", "id", None).end()
tracing.metrics.crashed("later", "ValueError")
print([span.name for span in exporter.get_finished_spans()], bool(reader.get_metrics_data()))
print("again", setup_from_environment("shop").flush(0.5))
trace.set_tracer_provider(TracerProvider())  # the second of the application's is refused, as ever
""",
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
    )
    assert "['send later'] True\n" in done.stdout, done.stderr
    assert done.stdout.count('"name": "send ') == 1
    assert done.stderr == "Overriding of current TracerProvider is not allowed\n"


def test_a_second_runtime_in_the_same_process_uses_the_same_provider():
    done = run(ONE_SPAN + ONE_SPAN, OTEL_TRACES_EXPORTER="console")
    assert done.stdout.count('"name": "send agent"') == 2
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variables", "cure"),
    [
        ({"OTEL_TRACES_EXPORTER": "carrier-pigeon"}, "Use otlp, console or none"),
        ({"OTEL_METRICS_EXPORTER": "carrier-pigeon"}, "Use otlp, console or none"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"},
            "set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf or grpc",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
    ],
)
def test_an_exporter_that_is_not_there_is_a_configuration_error(variables, cure):
    done = run(
        "import sys\nsys.modules['opentelemetry.exporter.otlp.proto.grpc'] = None\n" + ONE_SPAN,
        **variables,
    )
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr.splitlines()[-1]
    assert cure in done.stderr


def test_a_missing_otlp_package_names_the_extra_that_brings_it():
    done = run(
        "import sys\nsys.modules['opentelemetry.exporter.otlp'] = None\n" + ONE_SPAN,
        OTEL_TRACES_EXPORTER="otlp",
    )
    assert done.returncode == 1
    assert 'pip install "civitas-core[otlp]"' in done.stderr.splitlines()[-1]


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.promise(id="SEM-1161")
def test_a_collector_that_never_answers_costs_no_more_than_the_flush(silent):
    script = ONE_SPAN.replace("installed.flush()", "installed.flush(0.2), installed.flush(0.2)")
    # From the first flush to the last function at exit: how long an interpreter takes to start is another matter.
    timed = (
        f"import atexit, time\natexit.register(lambda: print(time.monotonic() - began))\n{script}"
    )
    timed = timed.replace('print("out"', 'began = time.monotonic()\nprint("out"')
    done = run(timed, OTEL_EXPORTER_OTLP_ENDPOINT=silent)
    *told, took = done.stdout.splitlines()
    assert told == ["state True True True True", "out False False"], done.stderr
    assert float(took) < 8  # an exporter tries for 10 s, for each of the two signals
    assert done.stderr.count("did not take what was waiting within 0.2 s; that is lost") == 1


def test_what_is_recorded_after_the_last_runtime_is_exported_at_exit(collector):
    done = run(
        ONE_SPAN + "tracing.start_send('later', 'question', 'id', None).end()\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
    )
    assert done.stderr == ""
    assert any(b"send later" in body for _, body in collector.received)
