"""What LangGraph's serializer makes, as it is stored: without the names that every message and checkpoint has in it."""

from __future__ import annotations

import zlib
from typing import Any

from msgpack import packb

__all__ = ["Stored", "Typed", "pack", "unpack"]

Typed = tuple[str, bytes]
"""What LangGraph's serializer makes of a value: the type, and bytes."""

Stored = bytes | list[str | bytes]
"""The same as it is stored: a list as it is, bytes packed; the first of these says how."""

_MOST_ARE = "msgpack"
_AS_IT_IS, _DEFLATED = b"\0", b"\1"

_LEAST, _MOST = 64, 1024
"""Bytes that are deflated: fewer gain nothing, and of more the names are the least part."""

# What is deflated refers to these. Part of the form of what is stored, so they never change; the commonest stand last.
_MORE_WORDS = (
    "langgraph.types Send Interrupt Command Overwrite langchain_core.documents.base Document page_content",
    "langchain_core.messages.system SystemMessage langchain_core.messages.modifier RemoveMessage",
    "__pregel_tasks __interrupt__ __return__ counters_since_delta_snapshot fork update input run_id",
    "reasoning summary encrypted_content thinking signature text annotations image_url mime_type base64 tool_use",
    "stop_reason end_turn cache_control ephemeral model_provider openai",
)
_CHECKPOINT = {
    "v": 4,
    "ts": "2026-01-01T00:00:00.000000+00:00",
    "id": "1f1ec460-0000-6000-8000-000000000000",
    "channel_versions": {"__start__": 2, "messages": 3, "branch:to:model": 3, "branch:to:tools": 3},
    "versions_seen": {
        "__input__": {},
        "__start__": {"__start__": 1},
        "model": {"branch:to:model": 2},
        "tools": {"branch:to:tools": 2},
        "__interrupt__": {"messages": 1},
    },
    "updated_channels": ["messages"],
}
_METADATA = {
    "source": "loop",
    "step": 1,
    "parents": {},
    "civitas_message": "01a00000-0000-7000-8000-",
}
_TAIL = {"type": "ai", "name": None, "id": "lc_run--01a00000-0000-7000-8000-000000000000-0"}
_CALLED = {
    "content": "",
    "additional_kwargs": {"refusal": None},
    "response_metadata": {
        "token_usage": {
            "completion_tokens": 1,
            "prompt_tokens": 1,
            "total_tokens": 1,
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
        },
        "model_provider": "openai",
        "model_name": "gpt-",
        "system_fingerprint": None,
        "id": "chatcmpl-",
        "service_tier": "default",
        "finish_reason": "tool_calls",
        "logprobs": None,
    },
    **_TAIL,
    "tool_calls": [{"name": "", "args": {}, "id": "call_", "type": "tool_call"}],
    "invalid_tool_calls": [],
    "usage_metadata": {
        "input_tokens": 1,
        "output_tokens": 1,
        "total_tokens": 1,
        "input_token_details": {"audio": 0, "cache_read": 0},
        "output_token_details": {"audio": 0, "reasoning": 0},
    },
}
_ANSWERED: dict[str, Any] = {
    "content": "",
    "additional_kwargs": {},
    "response_metadata": {"finish_reason": "stop", "logprobs": None},
    **_TAIL,
    "tool_calls": [],
    "invalid_tool_calls": [],
    "usage_metadata": None,
}
_SAID: dict[str, Any] = {
    "content": "",
    "additional_kwargs": {},
    "response_metadata": {},
    "type": "human",
    "name": None,
}
_FOUND: dict[str, Any] = {
    "content": "",
    "additional_kwargs": {},
    "response_metadata": {},
    "type": "tool",
    "name": None,
    "id": "01a00000-0000-4000-8000-000000000000",
    "tool_call_id": "call_",
    "artifact": None,
    "status": "success",
}
_EXAMPLES = (
    " ".join(_MORE_WORDS),
    _CHECKPOINT,
    _METADATA,
    ("langchain_core.messages.ai", "AIMessage", _CALLED, "model_validate_json"),
    ("langchain_core.messages.tool", "ToolMessage", _FOUND, "model_validate_json"),
    ("langchain_core.messages.human", "HumanMessage", _SAID, "model_validate_json"),
    ("langchain_core.messages.ai", "AIMessage", _ANSWERED, "model_validate_json"),
)
_DICTIONARY = b"".join(map(packb, _EXAMPLES))


def pack(typed: Typed) -> Stored:
    """What to store."""
    kind, raw = typed
    if kind != _MOST_ARE:
        return [kind, raw]
    if _LEAST <= len(raw) <= _MOST:
        deflate = zlib.compressobj(1, zlib.DEFLATED, -15, zdict=_DICTIONARY)
        packed = deflate.compress(raw) + deflate.flush()
        if len(packed) < len(raw):
            return _DEFLATED + packed
    return _AS_IT_IS + raw


def unpack(stored: Stored) -> Typed:
    """What the serializer made."""
    if not isinstance(stored, bytes):
        kind, raw = stored
        assert isinstance(kind, str)
        assert isinstance(raw, bytes)
        return kind, raw
    raw = stored[1:]
    if stored[:1] == _DEFLATED:
        raw = zlib.decompressobj(-15, _DICTIONARY).decompress(raw)
    return _MOST_ARE, raw
