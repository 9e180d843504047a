"""A filesystem, as an MCP server over stdio."""

from mcp.server.fastmcp import FastMCP

FILES = {"favorite_books.txt": "1. Dune", "favorite_songs.txt": "1. Song of the Sea"}
server = FastMCP("files")


@server.tool()
def list_directory() -> list[str]:
    """List the files."""
    return sorted(FILES)


@server.tool()
def read_file(path: str) -> str:
    """Read a file."""
    return FILES[path]


if __name__ == "__main__":
    server.run()
