"""One step of a transform as a recipe writes it: a name, or a name with options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from climdiff.recipe.findings import Finding, refuse


class Options(BaseModel):
    """The options of one step; none by default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


class Standardize(Options):
    """Subtract the mean, divide by the standard deviation."""

    per: Literal["variable", "cell"] = "variable"


class Log1p(Options):
    """log(1 + x / scale)."""

    scale: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0


class WetDay(Options):
    """Values below the threshold [units of the variable] count as zero."""

    threshold: Annotated[float, Field(gt=0.0, le=1e6)] = 0.1


class Step(BaseModel):
    """One step of a transform: exactly one key, which names it; the value holds its options."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    standardize: Standardize | None = None
    log1p: Log1p | None = None
    square_root: Options | None = None
    cube_root: Options | None = None
    wet_day: WetDay | None = None
    residual: Options | None = None

    @property
    def name(self) -> str:
        """The name of the step."""
        (name,) = self.model_fields_set
        return name

    @property
    def options(self) -> dict[str, Any]:
        """The options of the step, defaults included."""
        options: Options = getattr(self, self.name)
        return options.model_dump()

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        if isinstance(value, dict):
            return {name: {} if options is None else options for name, options in value.items()}
        if isinstance(value, Step):
            return value
        raise refuse(Finding(f"expected the name of a step, found {value!r}", "write a step such as standardize"))

    @model_validator(mode="after")
    def _is_one(self) -> Step:
        if len(self.model_fields_set) != 1:
            found = ", ".join(sorted(self.model_fields_set)) or "none"
            raise refuse(Finding(f"expected one step, found {found}", "write each step as an item of its own"))
        return self

    @model_serializer
    def _to_written(self) -> str | dict[str, dict[str, Any]]:
        return {self.name: self.options} if self.options else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of what may be written: a name, or a mapping of one name to its options."""
        mapping = handler.resolve_ref_schema(handler(schema))
        return {
            "description": mapping.get("description", ""),
            "anyOf": [
                {"enum": list(cls.model_fields)},
                {**mapping, "minProperties": 1, "maxProperties": 1},
            ],
        }
