"""Every table and figure by its name."""

from __future__ import annotations

from typing import Final

from twinspect.benchmark.papers.aand_tables import AAND_TABLES
from twinspect.benchmark.papers.dual_tables import DUAL_TABLES
from twinspect.benchmark.papers.mkd_tables import MKD_TABLES

PAPER_TABLES: Final = {table.name: table for table in (*AAND_TABLES, *MKD_TABLES, *DUAL_TABLES)}
