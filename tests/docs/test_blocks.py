"""The reader of samples reads what pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import blocks, expected_output, program

PAGE = """# A page

```python
a = 1
```

<!-- continue -->
```python
print(a)
```

<!-- output -->
```text
1
```

<!-- file: app/agents.py -->
```python
x = 1
```

<!-- skip: asks a real model -->
```python
ask()
```

````markdown
```python
never read
```
````
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page above, as a file."""
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_every_block_is_found_with_its_language_and_its_comment(page):
    found = [(block.language, block.word, block.value) for block in blocks(page)]
    assert found == [
        ("python", None, None),
        ("python", "continue", None),
        ("text", "output", None),
        ("python", "file", "app/agents.py"),
        ("python", "skip", "asks a real model"),
        ("markdown", None, None),
    ]


def test_a_block_that_continues_another_runs_after_it_with_the_line_numbers_of_the_page(page):
    code = program(blocks(page)[1])
    lines = PAGE.splitlines()
    assert [line for line in code.splitlines() if line] == ["a = 1", "print(a)"]
    for number, line in enumerate(code.splitlines()):
        assert not line or lines[number] == line


def test_the_output_that_follows_a_block_is_expected_of_it(page):
    assert expected_output(blocks(page)[1]) == "1\n"
    assert expected_output(blocks(page)[0]) is None
