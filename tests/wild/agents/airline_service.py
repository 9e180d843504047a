"""Customer service of an airline: a triage agent hands over to a desk for questions and one for seats."""

import random

from agents import Agent, RunContextWrapper, function_tool, handoff
from pydantic import BaseModel


class AirlineAgentContext(BaseModel):
    passenger_name: str | None = None
    confirmation_number: str | None = None
    seat_number: str | None = None
    flight_number: str | None = None


@function_tool(name_override="faq_lookup_tool", description_override="Look up questions.")
async def faq_lookup_tool(question: str) -> str:
    if "bag" in question.lower():
        return "One bag of 50 pounds is free."
    return "I'm sorry, I don't know."


@function_tool
async def update_seat(
    context: RunContextWrapper[AirlineAgentContext], confirmation_number: str, new_seat: str
) -> str:
    """Update the seat of a passenger.

    Args:
        confirmation_number: Of the flight.
        new_seat: The seat to have.
    """
    context.context.confirmation_number = confirmation_number
    context.context.seat_number = new_seat
    assert context.context.flight_number is not None, "Flight number is required"
    return f"Updated seat to {new_seat} for {confirmation_number}"


async def on_seat_booking_handoff(context: RunContextWrapper[AirlineAgentContext]) -> None:
    context.context.flight_number = f"FLT-{random.randint(100, 999)}"


faq_agent = Agent[AirlineAgentContext](
    name="FAQ Agent",
    handoff_description="Answers questions about the airline.",
    instructions="You answer questions with the faq lookup tool.",
    tools=[faq_lookup_tool],
)
seat_booking_agent = Agent[AirlineAgentContext](
    name="Seat Booking Agent",
    handoff_description="Updates a seat on a flight.",
    instructions="You update seats.",
    tools=[update_seat],
)
triage_agent = Agent[AirlineAgentContext](
    name="Triage Agent",
    handoff_description="Delegates to the right agent.",
    instructions="You delegate questions to the other agents.",
    handoffs=[faq_agent, handoff(agent=seat_booking_agent, on_handoff=on_seat_booking_handoff)],
)
faq_agent.handoffs.append(triage_agent)
seat_booking_agent.handoffs.append(triage_agent)
