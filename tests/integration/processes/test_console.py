"""What workers write reaches the console of the root."""

from __future__ import annotations

from civitas import Runtime
from tests.integration.processes.system import agent, topology, until


async def test_each_line_of_a_worker_is_on_the_roots_console_with_its_name(capfd):
    config = topology(agent("a", "w"), agent("b", "v"))
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("a", "hello", "print")
        await runtime.ask("b", "good day", "print")
    said = capfd.readouterr().err.splitlines()
    for line in ("[w] hello", "[w] hello to stderr", "[v] good day", "[v] good day to stderr"):
        assert line in said


async def test_a_worker_that_writes_a_lot_before_it_dies_is_heard_to_the_end(capfd):
    text = "\n".join(f"line {n}" for n in range(3000))
    async with Runtime.from_config(topology(agent("a", "w"), max_restarts=0)) as runtime:
        await runtime.ask("a", text, "print")
        await runtime.send("a", 0, "end")
        said = ""

        def ends() -> bool:
            nonlocal said
            said += capfd.readouterr().err  # a line may come in two pieces
            return "line 2999 to stderr" in said

        await until(ends)
