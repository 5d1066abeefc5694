"""A server of MCP's own SDK on loopback, which knows users by a field of the proxy before it.

    mcp_server.py PORT
"""

import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("lab")
said = {}


@server.tool()
async def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@server.tool()
async def whoami(context: Context) -> str:
    """Tells who asks."""
    return (context.headers or {}).get("x-remote-user", "nobody")


@server.tool()
async def ask(question: str, context: Context) -> str:
    """Asks, and answers with what is said by another call: only whoever hears the question can say it."""
    said[question] = anyio.Event(), []
    event, answer = said[question]
    await context.report_progress(1, 2, question)
    await event.wait()
    return answer[0]


@server.tool()
async def say(question: str, answer: str) -> None:
    """Says what was asked for."""
    event, answers = said[question]
    answers.append(answer)
    event.set()


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
