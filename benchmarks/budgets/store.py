"""Results on disk, a line of JSON each, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from budgets.cases import Case

if TYPE_CHECKING:
    from pathlib import Path

    Results = dict[Case, dict[str, Any]]


class Store:
    """The results of a folder.

    Args:
        file: one JSON object a line, ``case`` and ``result``; a line that was cut off is ignored.

    Attributes:
        results: by case; of a case that was measured again, the latest.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.results: Results = {}
        for line in file.read_text().splitlines() if file.is_file() else []:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            self.results[Case(**record["case"])] = record["result"]

    def add(self, case: Case, result: dict[str, Any]) -> None:
        """Keep a result."""
        self.results[case] = result
        with self._file.open("a") as out:
            # The line end comes first: what was cut off stays a line of its own.
            out.write("\n" + json.dumps({"case": case.record(), "result": result}))

    @property
    def good(self) -> Results:
        """Those that did not fail."""
        return {case: result for case, result in self.results.items() if "failed" not in result}
