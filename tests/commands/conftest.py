import pytest

from archlab import commands


@pytest.fixture
def fails(capsys):
    """Runs a wrong command, and gives the one line that it says."""

    def fails(*arguments):
        assert commands.main(list(arguments)) == 2
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert len(lines) == 1, said.err
        assert lines[0].startswith("archlab: error: ")
        return lines[0]

    return fails
