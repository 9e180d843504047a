"""From a payload to the input of a run, and from Pydantic AI's messages to plain ones."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NoReturn, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_ai import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.messages import (
    InstructionBaselinePart,
    InstructionDeltaPart,
    ModelResponsePart,
    RetryPromptPart,
    ToolCallPart,
    ToolReturnPart,
)

__all__ = ["NO_DEPS", "Input", "as_messages", "check_files", "read_input", "text_of"]

_KEYS = ("input", "deps")
_ACCEPTED = 'it takes {"input": text} or {"input": [{"role": "user", "content": text}, ...]}'
_OF_THE_SYSTEM = (SystemPromptPart, InstructionBaselinePart, InstructionDeltaPart)
_TEXTS = ("text", "input_text", "output_text")
_OF_A_MESSAGE = ("role", "content")
_OLD_NAMES = {"vendor_details", "vendor_id"}  # which Pydantic AI still reads
_ROLES = ("user", "assistant", "system", "developer")
_PARTS = (
    'a part is {"type": "text", "text": ...}, {"type": "image_url", "image_url": {"url": ...}}, or one of '
    'Pydantic AI itself, such as {"kind": "document-url", "url": ...}'
)

NO_DEPS: Final = object()
"""What `Input.deps` is if the payload has none."""

_Refuse = Callable[[str, str], NoReturn]


@dataclass(frozen=True)
class Input:
    """What a run begins with.

    Attributes:
        prompt: What the user says; None if `messages` end with that.
        messages: What was said before.
        instructions: What the system said, for this run.
        deps: The `deps` of the payload, plain data.
    """

    prompt: str | Sequence[UserContent] | None
    messages: list[ModelMessage]
    instructions: list[str]
    deps: Any


def read_input(payload: Any, refuse: _Refuse) -> Input:
    """The input of a run for `payload`, or `refuse` with what is accepted."""
    if not isinstance(payload, dict):
        refuse("payload", f"a dict is needed, got {type(payload).__name__}; {_ACCEPTED}")
    for key in payload:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            refuse(f"payload.{key}", f"there is no such input; {hint}{_ACCEPTED}")
    if "input" not in payload:
        refuse("payload", f"it has no `input`; {_ACCEPTED}")
    check_files(payload, "payload", refuse)
    given, deps = payload["input"], payload.get("deps", NO_DEPS)
    if isinstance(given, str):
        return Input(given, [], [], deps)
    if not isinstance(given, list) or not given:
        refuse("payload.input", f"text or a list of messages is needed, got {given!r}; {_ACCEPTED}")
    if all(isinstance(each, dict) and "kind" in each for each in given):
        return Input(None, _own(given, refuse), [], deps)
    messages: list[ModelMessage] = []
    instructions: list[str] = []
    for index, each in enumerate(given):
        message = _message(each, f"payload.input[{index}]", refuse)
        if isinstance(message, str):
            instructions.append(message)
        else:
            messages.append(message)
    last = messages[-1].parts[-1] if messages else None
    if not isinstance(last, UserPromptPart):
        refuse("payload.input", "its last message must be one of the user")
    return Input(last.content, messages[:-1], instructions, deps)


def _own(given: list[Any], refuse: _Refuse) -> list[ModelMessage]:
    try:
        messages = ModelMessagesTypeAdapter.validate_python(given)
    except ValidationError as error:
        refuse("payload.input", f"these are not messages of Pydantic AI: {error}")
    for index, (message, plain) in enumerate(zip(messages, given, strict=True)):
        path = f"payload.input[{index}]"
        known = _OLD_NAMES | {each.name for each in fields(message)}
        for key in plain:
            if key not in known:
                refuse(f"{path}.{key}", f"a {message.kind} of Pydantic AI has no such key")
        if isinstance(message, ModelRequest):
            if not message.parts:
                refuse(f"{path}.parts", "a request needs at least one part")
            # The system's words are the agent's own to say: whoever asks must not replace them.
            parts = [each for each in message.parts if not isinstance(each, _OF_THE_SYSTEM)]
            messages[index] = replace(message, parts=parts, instructions=None)
    if not _asks(messages):
        refuse(
            f"payload.input[{len(given) - 1}]",
            "the last message must be a request with a prompt of the user, or with the results of calls in the "
            "response before it",
        )
    return [each for each in messages if each.parts]


def _asks(messages: Sequence[ModelMessage]) -> bool:
    """Whether a model has something to answer: what a user said, or results of what it called."""
    results: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            return not results.isdisjoint(each.tool_call_id for each in message.tool_calls)
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                return True
            if isinstance(part, (ToolReturnPart, RetryPromptPart)):
                results.add(part.tool_call_id)
    return False


def check_files(given: Any, path: str, refuse: _Refuse) -> None:
    """`refuse` a file, anywhere in plain data, that would be fetched with more rights than whoever names it has."""
    if isinstance(given, list):
        for index, each in enumerate(given):
            check_files(each, f"{path}[{index}]", refuse)
    elif isinstance(given, dict):
        if "url" in given and given.get("force_download", False) is not False:
            refuse(
                f"{path}.force_download",
                "it must not come from whoever asks: it decides what this machine fetches, and from which network. "
                "Leave it out",
            )
        if str(given.get("kind")).endswith("-url"):
            _check_place(given.get("url"), path, refuse)
        for key, each in given.items():
            check_files(each, f"{path}.{key}", refuse)


def _check_place(url: Any, path: str, refuse: _Refuse) -> None:
    """`refuse` a file that a model's provider would fetch with rights of its own."""
    if isinstance(url, str) and not url.startswith(("data:", "http:", "https:")):
        refuse(path, f"a file must be at http or https, or in the message itself; got {url!r}")


def _message(given: Any, path: str, refuse: _Refuse) -> ModelMessage | str:
    """A message; what the system says as text."""
    if not isinstance(given, dict) or "role" not in given or "content" not in given:
        refuse(path, f"that is not a message; {_ACCEPTED}")
    for key in given:
        if key not in _OF_A_MESSAGE:
            refuse(f"{path}.{key}", f"a message has no such key; {_ACCEPTED}")
    role, content = given["role"], _content(given["content"], f"{path}.content", refuse)
    if role not in _ROLES:
        refuse(f"{path}.role", f"it must be one of {', '.join(_ROLES)}; got {role!r}")
    if role == "user":
        return ModelRequest(parts=[UserPromptPart(content)])
    if not isinstance(content, str):
        refuse(f"{path}.content", f"only text is accepted from the role {role!r}")
    if role == "assistant":
        return ModelResponse(parts=[TextPart(content)])
    return content


def _content(given: Any, path: str, refuse: _Refuse) -> str | list[UserContent]:
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        refuse(path, f"text or a list of parts is needed, got {given!r}")
    parts = [_part(each, f"{path}[{index}]", refuse) for index, each in enumerate(given)]
    texts = [each for each in parts if isinstance(each, str)]
    return "".join(texts) if len(texts) == len(parts) else parts


def _part(given: Any, path: str, refuse: _Refuse) -> UserContent:
    """A part of what a user says, as OpenAI's API has it, or as Pydantic AI has it."""
    if isinstance(given, str):
        return given
    kind = given.get("type") if isinstance(given, dict) else None
    if kind in _TEXTS and isinstance(given.get("text"), str):
        return cast(str, given["text"])
    url = given.get("image_url") if kind in ("image_url", "input_image") else None
    if isinstance(url, dict):
        url = url.get("url")
    if not isinstance(url, str) and not (isinstance(given, dict) and "kind" in given):
        refuse(path, f"{_PARTS}; got {given!r}")
    _check_place(url, path, refuse)
    try:
        if isinstance(url, str):
            return BinaryContent.from_data_uri(url) if url.startswith("data:") else ImageUrl(url)
        content: UserContent = TypeAdapter(UserContent).validate_python(given)
        return content
    except ValueError as error:
        refuse(path, f"that is not a part of a message: {error}")


def text_of(parts: Iterable[ModelResponsePart]) -> str:
    """The text in a model's answer."""
    return "".join(each.content for each in parts if isinstance(each, TextPart))


def as_messages(messages: Iterable[ModelMessage]) -> list[dict[str, Any]]:
    """Messages as chat completions have them: what a model is asked, for budgets and traces."""
    plain: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            calls = [
                {
                    "id": each.tool_call_id,
                    "name": each.tool_name,
                    "arguments": each.args_as_dict(),
                }
                for each in message.parts
                if isinstance(each, ToolCallPart)
            ]
            said = {"role": "assistant", "content": text_of(message.parts)}
            plain.append({**said, "tool_calls": calls} if calls else said)
            continue
        for part in message.parts:
            if isinstance(part, ToolReturnPart):
                text = part.model_response_str()
                plain.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": text})
            elif isinstance(part, SystemPromptPart):
                plain.append({"role": "system", "content": part.content})
            elif isinstance(part, UserPromptPart):
                plain.append({"role": "user", "content": _said(part.content)})
            elif isinstance(content := getattr(part, "content", None), str):
                plain.append({"role": "user", "content": content})
    return plain


def _said(content: str | Sequence[UserContent]) -> str | list[dict[str, Any]]:
    """The texts of what a user said, and that there was something else."""
    if isinstance(content, str):
        return content
    told: list[dict[str, Any]] = []
    for each in content:
        text = each if isinstance(each, str) else getattr(each, "content", None)
        if isinstance(text, str):
            told.append({"type": "text", "text": text})
        elif text is not None:
            told.append({"type": "text", "text": json.dumps(text, default=str)})
        else:
            told.append({"type": getattr(each, "kind", type(each).__name__)})
    return told
