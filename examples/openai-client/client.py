"""A client as anybody has one: the package `openai`, which knows nothing of Civitas."""

import asyncio
import os
import sys

from openai import AsyncOpenAI


async def main() -> None:
    if not (token := os.environ.get("EDGE_TOKEN")):
        sys.exit("EDGE_TOKEN is not set: export it here with the value that `civitas run` has")
    url = f"http://127.0.0.1:{os.environ.get('EDGE_PORT', '8700')}/v1"
    async with AsyncOpenAI(base_url=url, api_key=token) as client:
        print("models:", ", ".join([model.id async for model in client.models.list()]))

        # Chat completions, streamed. The header names a conversation, which the agent remembers.
        chunks = await client.chat.completions.create(
            model="librarian",
            messages=[{"role": "user", "content": "A book about otters, please."}],
            extra_headers={"x-civitas-conversation": "reader-7"},
            stream=True,
        )
        async for chunk in chunks:
            print(chunk.choices[0].delta.content or "", end="")
        print()

        # Responses. One goes on with the one before it.
        first = await client.responses.create(model="librarian", input="And one about storms?")
        print(first.output_text)
        again = await client.responses.create(
            model="librarian", input="Say that again?", previous_response_id=first.id
        )
        print(again.output_text)


if __name__ == "__main__":
    asyncio.run(main())
