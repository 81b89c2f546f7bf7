"""Parameters in scikit-learn's manner: a constructor that only stores its arguments, and methods that list them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Parameters:
    """Base of a class whose constructor stores its arguments under their names, and further ones as settings.

    Attributes:
        settings: the further ones.
    """

    settings: dict[str, Any]

    def __repr__(self) -> str:
        given = self._given_params()
        method = [repr(given.pop("method"))] if given.get("method") else []
        shown = [*method, *(f"{name}={value!r}" for name, value in given.items())]
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """List the constructor's arguments except settings of the method; ``twinspect fit`` has them as options."""
        return tuple(_parameters(cls))

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the constructor's arguments by name."""
        return {**{name: getattr(self, name) for name in self.parameter_names()}, **self.settings}

    def _given_params(self) -> dict[str, Any]:
        """Return those of them that are not the default."""
        defaults = {name: parameter.default for name, parameter in _parameters(type(self)).items()}
        return {
            name: value
            for name, value in self.get_params().items()
            if name not in defaults or value != defaults[name]
        }

    def set_params(self, **parameters: Any) -> Self:
        """Change constructor arguments; any other name is a setting of the method."""
        for name, value in parameters.items():
            if name in self.parameter_names():
                setattr(self, name, value)
            else:
                self.settings[name] = value
        return self

    def clone(self) -> Self:
        """Return an unfitted detector with the same parameters."""
        return type(self)(**self.get_params())


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(cls).parameters.values()
    return {each.name: each for each in parameters if each.kind is not each.VAR_KEYWORD}
