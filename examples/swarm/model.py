"""What the scripted model says, which stands for a real one."""

from typing import Any

from civitas.testing import ToolCall


def say(body: dict[str, Any]) -> str | ToolCall:
    desk = "hotels" if "hotels" in body["messages"][0]["content"] else "flights"
    asked = [each["content"] for each in body["messages"] if each["role"] == "user"][-1]
    last = body["messages"][-1]
    if "?" in asked:
        return f"This is the desk for {desk}."
    if desk == "flights":
        if last["role"] == "user":
            return ToolCall("book_flight", {"city": "Bergen"})
        return ToolCall("transfer_to_hotels")
    if "hotel" in last["content"] and "booked" in last["content"]:
        return "Your flight and your hotel in Bergen are booked."
    return ToolCall("book_hotel", {"city": "Bergen"})
