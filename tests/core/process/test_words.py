"""The words around a payload (types, conversations, headers), names, and what a subclass declares."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from civitas.errors import ConfigurationError, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import error_of


class Echo(AgentProcess):
    """Answers with what it was sent, or says a word of its own."""

    async def handle(self, message: Message) -> Message:
        match message.type:
            case "reply":
                return self.reply(1, message.payload)
            case "emit":
                await self.emit(1, message.payload)
            case "later":
                self.send_after(60, "echo", 1, **message.payload)
        return self.reply([message.type, message.conversation, dict(message.headers)])


def tree() -> Supervisor:
    return Supervisor("root", [Echo("echo"), ConversationPool("pool", Echo("each"))])


_NO_WORD = [uuid.UUID(int=1), 42, b"x", "", "x" * 1025, "ü" * 600, ["x"]]


@pytest.mark.promise(id="SEM-1101")
@pytest.mark.parametrize("word", _NO_WORD, ids=lambda word: type(word).__name__)
@pytest.mark.parametrize("what", ["conversation", "message_type"])
async def test_a_conversation_and_a_type_are_text_of_1_to_1024_bytes(what: str, word: Any) -> None:
    async with Runtime(tree()) as runtime:
        for to in ("echo", "pool"):
            stream = runtime.stream(to, 1, **{what: word})
            for sending in (
                runtime.ask(to, 1, **{what: word}),
                runtime.send(to, 1, **{what: word}),
                anext(stream),
            ):
                error = await error_of(sending)
                assert isinstance(error, ConfigurationError), error
                assert str(error).startswith(f"{what} must be text")
                assert len(str(error)) < 200
        assert isinstance(
            await error_of(runtime.broadcast("e*", 1, **{what: word})), ConfigurationError
        )
        assert runtime.tree()["children"][1]["children"] == []


@pytest.mark.promise(id="SEM-1101")
@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"a": 1}, r"headers\['a'\] must be text; got 1 \(int\)"),
        ({1: "a"}, "headers: a name must be text; got 1"),
        ([("a", "b")], "headers must be a dict of text to text"),
        ("a=b", "headers must be a dict of text to text"),
        ({"a": "x" * 65_000, "b": "y" * 1000}, "65536 bytes together; these have 66002"),
    ],
)
async def test_headers_are_text_to_text_of_64_kib_together(headers: Any, words: str) -> None:
    async with Runtime(tree()) as runtime:
        with pytest.raises(ConfigurationError, match=words):
            await runtime.ask("echo", 1, headers=headers)
        with pytest.raises(ConfigurationError, match=words):
            await runtime.send("echo", 1, headers=headers)
    with pytest.raises(ConfigurationError, match=words):
        Message(headers=headers)


@pytest.mark.promise(id="SEM-1101")
async def test_what_is_within_the_bounds_arrives() -> None:
    longest, headers = "ü" * 512, {"a": "x" * 65_535}
    async with Runtime(tree()) as runtime:
        reply = await runtime.ask("echo", 1, longest, conversation=longest, headers=headers)
        assert reply.payload == [longest, longest, headers]
        assert (await runtime.ask("pool", 1, conversation=longest)).payload[1] == longest


@pytest.mark.promise(id="SEM-1101")
@pytest.mark.parametrize("how", ["reply", "emit"])
async def test_the_type_of_a_reply_and_of_a_chunk_is_checked_as_well(how: str) -> None:
    async with Runtime(tree()) as runtime:
        with pytest.raises(HandlerFailed, match="message_type must be text") as caught:
            async for _ in runtime.stream("echo", 5, how):
                pass
    assert caught.value.error_type == "ConfigurationError"


@pytest.mark.promise(id="SEM-1101")
@pytest.mark.parametrize(
    "given", [{"conversation": ""}, {"message_type": 5}, {"headers": {"a": 1}}]
)
async def test_what_is_sent_later_is_checked_now(given: dict[str, Any]) -> None:
    async with Runtime(tree()) as runtime:
        with pytest.raises(HandlerFailed, match=next(iter(given))) as caught:
            await runtime.ask("echo", given, "later")
    assert caught.value.error_type == "ConfigurationError"


async def test_a_broadcast_takes_a_pattern() -> None:
    async with Runtime(tree()) as runtime:
        with pytest.raises(ConfigurationError, match=r"pattern of names.*got 5"):
            await runtime.broadcast(5, 1)  # type: ignore[arg-type]


@pytest.mark.promise(id="SEM-1102")
@pytest.mark.parametrize("make", [Echo, Supervisor, DynamicSupervisor])
@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\x00",
        "a\x7f",
        "a\u202eb",
        "a\u2028b",
        "a\u200bb",
        "a\ud800",
        "a..b",
        "-a",
        "civitas:a",
    ],
)
def test_a_name_can_be_read_and_typed(make: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name") as caught:
        make(name)
    assert str(caught.value).isprintable()


@pytest.mark.promise(id="SEM-1102")
@pytest.mark.parametrize("name", ["a", "Ärzte-2", "研究", "a.b:c_d", "a-"])
def test_a_name_may_be_of_any_language(name: str) -> None:
    assert Echo(name).name == name


class Slow(Echo):
    def __init__(self, name: str, *, style: str = "terse", **keywords: Any) -> None:
        super().__init__(name, **keywords)


@pytest.mark.promise(id="SEM-1103")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Echo("a", mailbox=3),  # type: ignore[call-arg]
            r"Echo\('a'\) takes no 'mailbox'; did you mean 'mailbox_size'",
        ),
        (lambda: Slow("a", stile="x"), r"Slow\('a'\) takes no 'stile'; did you mean 'style'"),
        (
            lambda: Echo(name="a", xyz=3),  # type: ignore[call-arg]
            r"Echo\('a'\) takes no 'xyz'\. It takes: mailbox_size",
        ),
    ],
)
def test_an_unknown_keyword_is_named_with_the_agent_and_the_nearest(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


@pytest.mark.promise(id="SEM-1262")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Supervisor("s", child=[]),  # type: ignore[call-arg]
            r"Supervisor\('s'\) takes no 'child'; did you mean 'children'",
        ),
        (
            lambda: DynamicSupervisor("d", max_childs=1),  # type: ignore[call-arg]
            r"DynamicSupervisor\('d'\) takes no 'max_childs'; did you mean 'max_children'",
        ),
        (
            lambda: ConversationPool("p", Echo("e"), idle_timout=1),  # type: ignore[call-arg]
            r"ConversationPool\('p'\) takes no 'idle_timout'; did you mean 'idle_timeout'",
        ),
        (
            lambda: Runtime(tree(), drain=1),  # type: ignore[call-arg]
            r"Runtime takes no 'drain'; did you mean 'drain_timeout'\? It takes: .* name,",
        ),
        (lambda: Echo("a", process="w"), r"takes no 'process', which is a key of topologies"),  # type: ignore[call-arg]
    ],
)
def test_an_unknown_keyword_of_anything_that_is_built_is_answered_with_the_nearest(
    make: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


@pytest.mark.promise(id="SEM-1262")
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"tools": "search"}, "tools must be a list of tools; got 'search'"),
        ({"tools": print}, "tools must be a list of tools; got <built-in function print>"),
        ({"plugins": "mine"}, "plugins must be a list of modules and objects"),
        ({"plugins": None}, "plugins must be a list of modules and objects"),
    ],
)
def test_what_is_to_be_a_list_and_is_none_is_named(keywords: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Runtime(tree(), **keywords)


def test_short_names_of_classes_are_a_dict() -> None:
    with pytest.raises(ConfigurationError, match="agent_classes must be a dict"):
        Runtime.from_config({"supervision": {}}, agent_classes=[Echo])  # type: ignore[arg-type]


class Asks(AgentProcess):
    async def handle(self, message: Message) -> Message:
        coroutine = self.send("asks", 1)
        calls: dict[str, Any] = {
            "send": lambda: self.send(["asks"], 1),  # type: ignore[arg-type]
            "ask": lambda: self.ask(self, 1),  # type: ignore[arg-type]
            "later": lambda: self.send_after(1, 5, 1),  # type: ignore[arg-type]
            "monitor": lambda: self.monitor(5),  # type: ignore[arg-type]
            "terminate": lambda: self.terminate(None),  # type: ignore[arg-type]
            "key": lambda: self.step(5, print),  # type: ignore[arg-type]
            "step": lambda: self.step("k", coroutine),  # type: ignore[arg-type]
            "run": lambda: self.run(5),  # type: ignore[arg-type]
        }
        try:
            found = calls[message.type]()
            if found is not None:
                await found
        finally:
            coroutine.close()
        return self.reply(None)


@pytest.mark.promise(id="SEM-1263")
async def test_what_is_no_name_and_no_function_is_refused_where_it_is_given() -> None:
    expected = {
        "send": "the recipient must be a name, as text; got ['asks']",
        "ask": "got <Asks 'asks'>. Write its name, 'asks'",
        "later": "the recipient must be a name, as text; got 5",
        "monitor": "what is monitored must be a name",
        "terminate": "what is terminated must be a name",
        "key": "a step's key must be non-empty text; got 5",
        "step": "called already. Write self.step(key, function, *arguments)",
        "run": "run() takes a coroutine, as in self.run(self.ask(...)); got 5",
    }
    agent = Asks("asks", restart="permanent")
    async with Runtime(Supervisor("root", [agent], max_restarts=20, backoff="none")) as runtime:
        for call, words in expected.items():
            error = await error_of(runtime.ask("asks", 1, call))
            assert isinstance(error, HandlerFailed)
            assert error.error_type == "ConfigurationError"
            assert words in error.error_message, error.error_message
        for supervisor in (5, Supervisor("root")):
            with pytest.raises(ConfigurationError, match="the supervisor must be a name"):
                runtime.which_children(supervisor)  # type: ignore[arg-type]


@pytest.mark.promise(id="SEM-1263")
@pytest.mark.parametrize(
    ("type", "callback", "words"),
    [
        (["crashed"], print, "event types must be"),
        ("crashed", lambda: None, "takes a function of one argument"),
        ("crashed", lambda a, b: None, "takes a function of one argument"),
    ],
)
def test_a_callback_that_could_never_be_called_is_refused(
    type: Any, callback: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Runtime(tree()).on(type, callback)
