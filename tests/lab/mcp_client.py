"""A client of MCP's own SDK, with nothing that knows of a login. Says who it was taken for.

    mcp_client.py URL auto|legacy
"""

import sys

import anyio
from mcp import Client

TOGETHER = 64


def value(result):
    assert not result.is_error, result
    return (result.structured_content or {}).get("result")


async def asked(client, number):
    """A call that ends only if its event arrives before its answer does."""
    question = f"question {number}"

    async def hear(progress, total, message):
        assert message == question, message
        await client.call_tool("say", {"question": question, "answer": f"answer {number}"})

    answer = value(await client.call_tool("ask", {"question": question}, progress_callback=hear))
    assert answer == f"answer {number}", answer


async def main(url, mode):
    async with Client(url, mode=mode) as client:
        tools = await client.list_tools()
        assert [tool.name for tool in tools.tools] == ["add", "whoami", "ask", "say"], tools
        assert value(await client.call_tool("add", {"a": 2, "b": 3})) == 5
        await asked(client, 0)
        async with anyio.create_task_group() as together:
            for number in range(1, TOGETHER + 1):
                together.start_soon(asked, client, number)
        print(client.protocol_version, value(await client.call_tool("whoami")))


with_a_net = anyio.fail_after  # never a measure: what takes longer hangs


async def run():
    with with_a_net(120):
        await main(*sys.argv[1:])


anyio.run(run)
