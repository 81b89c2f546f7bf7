"""What every method and every teacher must do, for whoever writes one; twinspect's own are held to the same.

In the tests of a package that provides a method, one line is enough::

    import twinspect.testing

    def test_contract():
        twinspect.testing.check_method("mine")  # or the class; teachers: check_teacher

Or each demand as a test of its own::

    @pytest.mark.parametrize("check", twinspect.testing.method_checks("mine"))
    def test_contract(check):
        check()

Or without a file: ``pytest --twinspect-method mine --twinspect-teacher mine``.

Nothing is downloaded, and nothing here imports pytest but its plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.testing.check import Check
    from twinspect.testing.method_contract import check_method, method_checks
    from twinspect.testing.teacher_contract import check_teacher, teacher_checks

__all__ = ["Check", "check_method", "check_teacher", "method_checks", "teacher_checks"]

__getattr__ = public_names(
    __name__,
    "twinspect.testing.check",
    "twinspect.testing.method_contract",
    "twinspect.testing.teacher_contract",
)
