"""Tables in Markdown, for the pages that benchmarks write."""


def table(head: list[str], lines: list[list[str]]) -> str:
    """Writes a table in Markdown.

    Args:
      head: names of the columns.
      lines: what stands under them.

    Returns:
      The table, with a line's end at its end.
    """
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
