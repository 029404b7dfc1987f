"""Write the tables of docs/scheduler.md from mrframe/core/model/states.py: `python docs/make_scheduler.py`."""

from pathlib import Path

from mrframe.core.model.states import markdown

PAGE = Path(__file__).parent / "scheduler.md"
BEGIN, END = "<!-- tables: made by docs/make_scheduler.py -->\n", "<!-- end of tables -->\n"


def page() -> str:
    """Return the page with its present tables. Everything outside the two marks is kept."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + markdown() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page())
